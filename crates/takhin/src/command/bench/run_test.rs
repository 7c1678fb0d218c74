use super::*;

/// Two lanes that both take the last request would send one too many.
#[test]
fn no_more_requests_are_given_out_than_there_are() {
    env::task::block_on_io_thread(async {
        let run = Run::new(2, Some(3));
        let taken = (0..10).filter(|_| run.take_request()).count();
        assert_eq!(taken, 3);
        assert!(run.is_stopping());
    })
    .expect("a loop");
}

#[test]
fn a_stopped_run_gives_out_no_requests() {
    env::task::block_on_io_thread(async {
        let run = Run::new(1, None);
        assert!(run.take_request() && !run.is_stopping());
        run.stop();
        assert!(!run.take_request() && run.is_stopping());
    })
    .expect("a loop");
}
