use super::tree::Tree;

fn code(text: &str) -> String {
    Tree::planted(&[("a.rs", text)]).files()[0].code.clone()
}

/// A rule that reads comments and strings as code reports documentation.
#[test]
fn comments_and_strings_are_no_code() {
    for text in [
        "// HIDDEN\n",
        "/// HIDDEN\n",
        "/* a /* HIDDEN */ HIDDEN */",
        "\"HIDDEN\"",
        "\"\\\"HIDDEN\\\\\"",
        "r\"HIDDEN\\\"",
        "r#\"a\" HIDDEN\"#",
        "br##\"\"# HIDDEN\"##",
        "b\"HIDDEN\"",
    ] {
        let code = code(&format!("{text}\nlet shown = 1;"));
        assert!(!code.contains("HIDDEN"), "{text} left {code}");
        assert!(code.contains("let shown = 1;"), "{text} swallowed what follows: {code}");
    }
}

/// A quote character or a lifetime taken for a string would hide the rest of the file from every rule.
#[test]
fn characters_and_lifetimes_hide_nothing() {
    for text in ["'\"'", "'\\''", "'\\\\'", "b'\"'", "fn f<'a>(x: &'a str)", "'\u{e9}'", "var\"a\"", "x as r"]
    {
        assert!(code(&format!("{text}; SHOWN")).contains("SHOWN"), "{text}");
    }
}

/// Findings name lines.
#[test]
fn lines_keep_their_numbers() {
    let code = code("/* a\nb */ \"c\nd\"\nlast");
    assert_eq!(code.lines().position(|line| line.contains("last")), Some(3));
}

#[test]
fn the_head_is_the_first_inner_documentation() {
    let tree =
        Tree::planted(&[("a.rs", "// A note.\n\n//! What it is.\n//! More.\n\n//! Not this.\nfn f() {}")]);
    assert_eq!(tree.files()[0].head(), " What it is.\n More.");
}
