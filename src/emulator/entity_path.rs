//! Paths of hybrid connections, as they are compared.

use percent_encoding::percent_decode_str;

/// The segments of a path: decoded and in lower case.
pub fn segments(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().to_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_paths_compare_decoded_and_without_case() {
        assert_eq!(segments("/My%20Hyco//Sub/"), ["my hyco", "sub"]);
        assert_eq!(segments("hübrid"), segments("/h%C3%BCbrid"));
        assert!(segments("/").is_empty());
    }
}
