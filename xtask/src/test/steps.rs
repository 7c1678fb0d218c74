//! The steps of the test command, in order: quick answers first, and what builds on what.

/// One named step: commands run in turn until one fails.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: &'static str,
    /// What holds when it passes.
    pub(super) says: &'static str,
    pub(super) commands: &'static [Command],
    /// For all commands together; far above what it takes, there to end what hangs.
    pub(super) minutes_max: u64,
    /// A step without which this one means nothing.
    pub(super) needs: Option<&'static str>,
}

/// A command line, and where it runs below the workspace's root.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) dir: &'static str,
    /// `xtask` at the front is this program.
    pub(super) words: &'static [&'static str],
}

const fn here(words: &'static [&'static str]) -> Command {
    Command { dir: ".", words }
}

const fn in_bench(words: &'static [&'static str]) -> Command {
    Command { dir: "bench", words }
}

/// All steps.
pub(super) const STEPS: &[Step] = &[
    Step {
        name: "tools",
        says: "what the tests need is installed",
        commands: &[
            here(&["cargo", "fmt", "--version"]),
            here(&["cargo", "clippy", "--version"]),
            here(&["conformance/setup"]),
        ],
        minutes_max: 20,
        needs: None,
    },
    Step {
        name: "fmt",
        says: "all Rust is formatted",
        commands: &[
            here(&["cargo", "fmt", "--all", "--check"]),
            in_bench(&["cargo", "fmt", "--all", "--check"]),
        ],
        minutes_max: 2,
        needs: None,
    },
    Step {
        name: "check",
        says: "arrows and invariants hold",
        commands: &[here(&["xtask", "check"])],
        minutes_max: 5,
        needs: None,
    },
    Step {
        name: "dependencies",
        says: "deny.toml holds: licences, refused and doubled crates, sources, yanked versions, advisories",
        commands: &[here(&["xtask", "dependencies"])],
        minutes_max: 10,
        needs: None,
    },
    Step {
        name: "codegen",
        says: "generated files are what their definitions give",
        commands: &[here(&["xtask", "codegen", "--check"])],
        minutes_max: 10,
        needs: Some("tools"),
    },
    Step {
        name: "clippy",
        says: "no warning in code, tests and examples, nor in the broker without what simulations ask for",
        commands: &[
            here(&[
                "cargo",
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ]),
            here(&["cargo", "clippy", "--package", "takhin", "--locked", "--quiet", "--", "-D", "warnings"]),
        ],
        minutes_max: 20,
        needs: None,
    },
    Step {
        name: "doc",
        says: "the documentation builds without a warning",
        commands: &[here(&[
            "env",
            "RUSTDOCFLAGS=-D warnings",
            "cargo",
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
            "--locked",
            "--quiet",
        ])],
        minutes_max: 10,
        needs: None,
    },
    Step {
        name: "test",
        says: "unit, property, simulation and documentation tests",
        commands: &[here(&["cargo", "test", "--workspace", "--locked", "--quiet", "--no-fail-fast"])],
        minutes_max: 25,
        needs: None,
    },
    Step {
        name: "release",
        says: "the broker builds as it is shipped",
        commands: &[here(&["cargo", "build", "--release", "--locked", "--quiet", "--bin", "takhin"])],
        minutes_max: 20,
        needs: None,
    },
    Step {
        name: "conformance",
        says: "real clients against the broker, short form",
        commands: &[here(&["conformance/run"])],
        minutes_max: 15,
        needs: Some("release"),
    },
    Step {
        name: "bench",
        says: "the measuring tools build and measure the broker; the figures are not judged",
        commands: &[
            in_bench(&[
                "cargo",
                "clippy",
                "--release",
                "--all-targets",
                "--locked",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ]),
            in_bench(&["cargo", "build", "--release", "--locked", "--quiet"]),
            here(&[
                "bench/run",
                "--peers=C",
                "--scenarios=tiny64",
                "--blocks=1",
                "--duration=1",
                "--warmup=0.5",
            ]),
            here(&["bench/start", "--starts=2", "--idle=1", "--settle=0.5"]),
        ],
        minutes_max: 10,
        needs: Some("release"),
    },
];
