//! Whether servers that were asked the same say the same.

/// How much of the evidence is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// At least half of the servers answered, and all that did agree.
    Partial,
    /// Every server answered, and all agree.
    Complete,
}

/// What the servers say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement<T> {
    Agreed(T, Weight),
    Disagreement,
    /// Less than half of the servers answered.
    TooFew,
}

/// Compares what each server said; `None` stands for a server without an answer that counts.
pub fn agree<T: PartialEq>(said: impl IntoIterator<Item = Option<T>>) -> Agreement<T> {
    let (mut asked, mut answered) = (0usize, 0usize);
    let mut first: Option<T> = None;
    for one in said {
        asked += 1;
        let Some(one) = one else { continue };
        answered += 1;
        match &first {
            None => first = Some(one),
            Some(first) if *first == one => {}
            Some(_) => return Agreement::Disagreement,
        }
    }
    match first {
        Some(said) if answered == asked => Agreement::Agreed(said, Weight::Complete),
        Some(said) if answered * 2 >= asked => Agreement::Agreed(said, Weight::Partial),
        _ => Agreement::TooFew,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_half_and_fewer() {
        use Agreement::{Agreed, Disagreement, TooFew};
        for (said, expected) in [
            (vec![], TooFew),
            (vec![None], TooFew),
            (vec![Some(1)], Agreed(1, Weight::Complete)),
            (vec![Some(1), Some(1)], Agreed(1, Weight::Complete)),
            (vec![Some(1), None], Agreed(1, Weight::Partial)),
            (vec![None, Some(1), None], TooFew),
            (vec![Some(1), Some(1), None], Agreed(1, Weight::Partial)),
            (vec![Some(1), None, Some(2)], Disagreement),
            (vec![None, None, Some(1), Some(2), None], Disagreement),
        ] {
            assert_eq!(agree(said.clone()), expected, "{said:?}");
        }
    }
}
