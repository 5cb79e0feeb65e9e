use super::*;

const ONE: Option<User> = Some([1; 32]);
const OTHER: Option<User> = Some([2; 32]);

#[test]
fn one_user_has_so_many_requests_and_streams_at_once_and_others_go_on() {
    let limits = Limits::new(Most { requests_per_user: 2, streams_per_user: 1, ..Most::default() });
    let asked = [limits.request(ONE).unwrap(), limits.request(ONE).unwrap()];
    let refused = limits.request(ONE).unwrap_err();
    assert!(refused.detail.contains("2 requests of yours"), "{refused:?}");
    limits.request(OTHER).unwrap();
    let stream = limits.stream(ONE).unwrap();
    limits.stream(ONE).unwrap_err();
    drop((asked, stream));
    limits.request(ONE).unwrap();
    limits.stream(ONE).unwrap();
    assert!(limits.users.lock().unwrap().is_empty(), "who has nothing is forgotten");
}

#[tokio::test]
async fn one_user_leaves_room_for_the_answers_of_others() {
    let limits = Limits::new(Most::default());
    let hold = async |user, kib: u32| {
        let (place, room) = (limits.request(user)?, limits.room().await?);
        limits.hold(user, place, room, u64::from(kib) << 10).await
    };
    let first = hold(ONE, ANSWERS_PER_USER).await.unwrap();
    let refused = hold(ONE, 1).await.unwrap_err();
    assert!(refused.detail.contains("not taken"), "{refused:?}");
    let second = hold(OTHER, ANSWERS_PER_USER).await.unwrap();
    // Nobody in particular: an open server.
    let rest = hold(None, ANSWERS / 2).await.unwrap();
    assert_eq!(limits.answers.available_permits(), 0);
    drop((first, second, rest));
    assert_eq!(limits.answers.available_permits(), ANSWERS as usize);
    let large = hold(ONE, ANSWERS_PER_USER + 1).await.unwrap();
    drop(large);
    assert!(limits.users.lock().unwrap().is_empty());
}
