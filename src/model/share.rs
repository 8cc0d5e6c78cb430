//! How much of something scarce one may hold, so that whoever holds nothing finds some.

/// Everybody may hold as much as this part of what is free: a dynamic threshold (Choudhury and Hahne,
/// "Dynamic queue length thresholds for shared-memory packet switches", 1998).
const PART_OF_FREE: usize = 4;

/// Whether one who holds so many places may have one more of those that are free. One alone may have
/// a quarter of what it leaves; `n` who take all they get leave about `places / (1 + n / 4)` together.
#[must_use]
pub fn may_have_one_more(held: usize, free: usize) -> bool {
    held < free.div_ceil(PART_OF_FREE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of so many holds who take all they get, and what is left.
    fn siege(places: usize, askers: usize) -> (usize, usize) {
        let (mut held, mut free) = (vec![0; askers], places);
        while let Some(asker) = (0..askers)
            .filter(|&n| may_have_one_more(held[n], free))
            .min_by_key(|&n| held[n])
        {
            held[asker] += 1;
            free -= 1;
        }
        (held.into_iter().max().unwrap_or_default(), free)
    }

    #[test]
    fn however_many_take_all_they_get_some_places_are_left() {
        assert_eq!(siege(1024, 1), (205, 819));
        assert_eq!(siege(1024, 64), (16, 60));
        assert_eq!(siege(1024, 512), (2, 4));
        // Of few places one has some all the same.
        for (places, held) in [(1, 1), (3, 1), (8, 2)] {
            assert_eq!(siege(places, 1).0, held, "{places}");
        }
    }
}
