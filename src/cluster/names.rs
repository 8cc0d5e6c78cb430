//! Names of objects, as Kubernetes takes them (RFC 1123).

/// Why a text is no name of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectNameError {
    #[error(
        "invalid namespace name: use at most 63 of a-z, 0-9 and '-', starting and ending with a letter or digit"
    )]
    Namespace,
    #[error(
        "invalid object name: use at most 253 of a-z, 0-9, '-' and '.', with a letter or digit at the start and end of each part"
    )]
    Object,
}

/// The name of a namespace: a label.
///
/// # Errors
/// Where the API server takes no such name.
pub fn parse_namespace(text: &str) -> Result<String, ObjectNameError> {
    if text.len() > 63 || !is_label(text) {
        return Err(ObjectNameError::Namespace);
    }
    Ok(text.to_owned())
}

/// The name of an object: a subdomain.
///
/// # Errors
/// Where the API server takes no such name.
pub fn parse_object(text: &str) -> Result<String, ObjectNameError> {
    if text.len() > 253 || !text.split('.').all(is_label) {
        return Err(ObjectNameError::Object);
    }
    Ok(text.to_owned())
}

fn is_label(text: &str) -> bool {
    let is_alphanumeric = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit();
    let is_inner = |octet| is_alphanumeric(octet) || octet == b'-';
    let ends = [text.bytes().next(), text.bytes().last()];
    text.bytes().all(is_inner) && ends.into_iter().all(|end| end.is_some_and(is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_api_server_takes() {
        for (text, namespace, object) in [
            ("a", true, true),
            ("a-1", true, true),
            ("a.b", false, true),
            ("a..b", false, false),
            ("a.-b", false, false),
            ("a.", false, false),
            (".a", false, false),
            ("-a", false, false),
            ("a-", false, false),
            ("A", false, false),
            ("", false, false),
            ("ä", false, false),
            ("a/b", false, false),
            (&"a".repeat(63), true, true),
            (&"a".repeat(64), false, true),
            (&"a".repeat(253), false, true),
            (&"a".repeat(254), false, false),
        ] {
            assert_eq!(parse_namespace(text).is_ok(), namespace, "{text}");
            assert_eq!(parse_object(text).is_ok(), object, "{text}");
        }
    }
}
