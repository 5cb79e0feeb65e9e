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
    let dead = std::os::unix::net::UnixListener::bind(place.socket()).unwrap();
    let error = place.bind().unwrap_err().to_string();
    assert!(error.contains("another process serves"), "{error}");
    drop(dead);
    assert!(place.is_there(), "a process that dies leaves its socket");
    assert!(place.bind().unwrap().is_there());
}

#[tokio::test]
async fn a_socket_whose_queue_is_full_is_served() {
    let directory = TempDir::new().unwrap();
    let place = place(&directory);
    let _busy = std::os::unix::net::UnixListener::bind(place.socket()).unwrap();
    let mut queue = Vec::new();
    loop {
        let connecting = tokio::net::UnixStream::connect(place.socket());
        match tokio::time::timeout(std::time::Duration::from_millis(200), connecting).await {
            Ok(Ok(stream)) => queue.push(stream),
            _ => break,
        }
    }
    let error = place.bind().unwrap_err().to_string();
    assert!(error.contains("another process serves"), "{error}");
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let place = place(&directory);
    std::fs::write(place.socket(), "somebody's").unwrap();
    let error = place.bind().unwrap_err().to_string();
    assert!(error.contains("is no socket; remove it"), "{error}");
    assert_eq!(std::fs::read_to_string(place.socket()).unwrap(), "somebody's");
}

#[tokio::test]
async fn a_socket_goes_with_its_listener_and_another_in_its_place_stays() {
    let directory = TempDir::new().unwrap();
    let place = place(&directory);
    drop(place.bind().unwrap());
    assert!(!place.is_there());
    let first = place.bind().unwrap();
    std::fs::remove_file(place.socket()).unwrap();
    let second = place.bind().unwrap();
    assert!(!first.is_there() && second.is_there());
    drop(first);
    assert!(second.is_there());
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
