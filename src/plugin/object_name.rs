//! Names of objects, as arguments.

/// A name that an object can have (RFC 1123); anything else would be part of the request's path.
pub(super) fn object_name(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        let ends = label.starts_with('-') || label.ends_with('-');
        let known =
            |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        !label.is_empty() && !ends && label.bytes().all(known)
    };
    if text.len() <= 253 && text.split('.').all(is_label) {
        Ok(text.to_owned())
    } else {
        Err("no object has such a name: give metadata.name, lower case letters, digits, - and . alone".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects_are_told_from_paths() {
        for name in ["acme", "acme.com", "a-1", &"a".repeat(253)] {
            assert_eq!(object_name(name).as_deref(), Ok(name));
        }
        for name in [
            "",
            "acme/status",
            "acme?watch=true",
            "a b",
            "-a",
            "a-",
            ".",
            "a..b",
            "A",
            "ä",
            "%2e",
            "..",
            &"a".repeat(254),
        ] {
            assert!(object_name(name).is_err(), "{name}");
        }
    }
}
