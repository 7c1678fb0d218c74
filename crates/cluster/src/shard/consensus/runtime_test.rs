//! The engine's own tests of an event loop, on ours.

use openraft::testing::runtime::Suite;

use super::runtime::EngineRuntime;

/// The watch channels are ours: the engine relies on more of them than their names say.
#[test]
fn the_engine_accepts_the_event_loop() {
    Suite::<EngineRuntime>::test_all();
}
