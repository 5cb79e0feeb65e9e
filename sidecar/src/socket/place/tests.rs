use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::Place;

fn place(directory: &TempDir) -> Place {
    let place = Place::all(directory.path(), &["main".to_owned()]).remove(0);
    place.prepare().unwrap();
    place
}

#[tokio::test]
async fn every_user_may_write_and_none_may_remove() {
    let directory = TempDir::new().unwrap();
    let place = place(&directory);
    let _listener = place.bind().unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(place.socket()), 0o666);
    assert_eq!(mode(place.socket().parent().unwrap()), 0o755);
    assert_eq!(mode(&place.logs()), 0o1777);
}

#[tokio::test]
async fn a_stale_socket_is_taken_over_and_a_served_one_is_not() {
    let directory = TempDir::new().unwrap();
    let place = place(&directory);
    let listener = place.bind().unwrap();
    let error = place.bind().unwrap_err().to_string();
    assert!(error.contains("another process serves"), "{error}");
    drop(listener);
    assert!(place.is_there());
    place.bind().unwrap();
}

#[tokio::test]
async fn a_path_that_the_kernel_cannot_bind_is_refused_with_the_way_out() {
    let directory = TempDir::new().unwrap();
    let place = Place::all(directory.path(), &["x".repeat(100)]).remove(0);
    let error = place.bind().unwrap_err().to_string();
    assert!(error.contains("107 are possible; give a shorter --run-dir"), "{error}");
}

#[test]
fn without_containers_there_is_one_place_without_a_name() {
    let directory = TempDir::new().unwrap();
    let places = Place::all(directory.path(), &[]);
    assert_eq!(places.len(), 1);
    assert_eq!(places[0].socket(), directory.path().join("agent.sock"));
}
