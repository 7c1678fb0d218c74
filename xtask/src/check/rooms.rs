//! The rooms of the workspace and the arrows between them: the picture in ARCHITECTURE.md as a table.

/// A workspace crate and the workspace crates it may depend on, in its code, its build script and its tests alike.
pub(super) struct Room {
    pub(super) name: &'static str,
    pub(super) may_use: &'static [&'static str],
    /// No async runtime among its dependencies, through however many others.
    pub(super) pure: bool,
}

const fn room(name: &'static str, may_use: &'static [&'static str]) -> Room {
    Room { name, may_use, pure: false }
}

const fn pure_room(name: &'static str, may_use: &'static [&'static str]) -> Room {
    Room { name, may_use, pure: true }
}

/// Top to bottom. A crate that is not here has no place yet: give it one, here and in ARCHITECTURE.md.
pub(super) const ROOMS: &[Room] = &[
    room(
        "takhin",
        &[
            "gateway",
            "broker",
            "cluster",
            "storage",
            "batch",
            "coordinator",
            "security",
            "client",
            "wire",
            "env",
        ],
    ),
    room("gateway", &["broker", "security", "wire", "env"]),
    room("broker", &["cluster", "storage", "batch", "coordinator", "security", "wire", "env"]),
    room("cluster", &["storage", "batch", "wire", "env"]),
    room("storage", &["batch", "wire", "env"]),
    room("client", &["wire", "env"]),
    pure_room("coordinator", &["wire"]),
    pure_room("security", &["wire"]),
    pure_room("batch", &["wire"]),
    pure_room("wire", &[]),
    room("env", &[]),
    // In the place of a dependency of openraft's: docs/adr/0005-idle-memory.md.
    pure_room("base2histogram", &[]),
];

/// Beside the stack: these may use any room, and no room may use them.
pub(super) const BESIDE: &[&str] = &["sim", "fuzz", "xtask"];

/// Crates that bring an event loop or an executor with them. Channels and combinators without one are not meant.
pub(super) const ASYNC_RUNTIMES: &[&str] = &[
    "async-executor",
    "async-io",
    "async-std",
    "compio",
    "futures-executor",
    "glommio",
    "io-uring",
    "mio",
    "monoio",
    "openraft",
    "polling",
    "smol",
    "tokio",
    "tokio-uring",
];

/// The room of a name, if it has one.
pub(super) fn room_of(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}
