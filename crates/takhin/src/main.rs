//! The `takhin` binary.

fn main() {}
