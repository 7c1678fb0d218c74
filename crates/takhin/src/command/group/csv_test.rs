use super::csv::{line, read};

#[test]
fn what_is_exported_is_read() {
    let text = [line("orders", 0, 12), line("orders", 10, 0), line("a.b_c-d", 1, i64::MAX)].join("\n");
    let offsets = read(&text).unwrap();
    assert_eq!(offsets["orders"], [(0, 12), (10, 0)].into());
    assert_eq!(offsets["a.b_c-d"], [(1, i64::MAX)].into());
}

#[test]
fn quotes_spaces_and_empty_lines_are_no_matter() {
    let offsets = read("\"a-topic-of-more-than-24-characters\",0,5\r\n\r\nt, 1, 7\n").unwrap();
    assert_eq!(offsets["a-topic-of-more-than-24-characters"], [(0, 5)].into());
    assert_eq!(offsets["t"], [(1, 7)].into());
}

#[test]
fn a_line_that_is_none_is_named() {
    for (text, line) in [
        ("t,0,5\nt,1\n", 2),
        ("t,0,5,6", 1),
        (",0,5", 1),
        ("t,-1,5", 1),
        ("t,0,-5", 1),
        ("t,x,5", 1),
        ("\nt,0,5\nt,0,6", 3),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("line {line}: ")), "{text:?}: {error}");
    }
}
