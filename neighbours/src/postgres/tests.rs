use super::*;

async fn count(postgres: &Postgres, database: &str) -> i64 {
    let client = postgres.connect(database).await.unwrap();
    client.query_one("SELECT count(*) FROM kept", &[]).await.unwrap().get(0)
}

async fn with_a_row(postgres: &Postgres, database: &str) {
    postgres.create_database(database).await.unwrap();
    let client = postgres.connect(database).await.unwrap();
    client.batch_execute("CREATE TABLE kept (); INSERT INTO kept DEFAULT VALUES").await.unwrap();
}

/// A kill, a restart, an orderly stop and the end of the value, with one set of programs.
async fn lives_and_dies(binaries: Binaries) {
    let options = Options { binaries: Some(binaries), ..Options::default() };
    let mut postgres = Postgres::start(options).await.unwrap();
    with_a_row(&postgres, "an \"odd\" name").await;
    assert!(postgres.has_database("an \"odd\" name").await.unwrap());
    assert!(!postgres.has_database("another").await.unwrap());
    postgres.kill().unwrap();
    postgres.start_again().await.unwrap();
    assert_eq!(count(&postgres, "an \"odd\" name").await, 1);
    postgres.stop().await.unwrap();
    postgres.start_again().await.unwrap();
    let (port, directory) = (postgres.port(), postgres.process().log().parent().unwrap().to_path_buf());
    assert!(directory.exists());
    drop(postgres);
    assert!(port::is_free(port));
    assert!(!directory.exists());
}

#[tokio::test]
async fn the_fetched_server_of_version_18_lives_and_dies() {
    lives_and_dies(Binaries::fetched().unwrap()).await;
}

#[tokio::test]
async fn the_server_found_first_lives_and_dies() {
    lives_and_dies(binaries().unwrap()).await;
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let postgres = Postgres::shared().await.unwrap();
    let url = postgres.url("postgres").replace("agent_comms:", "agent_comms:not-");
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
}

#[tokio::test]
async fn users_of_the_shared_server_share_one_server() {
    let (one, other) = tokio::join!(Postgres::shared(), Postgres::shared());
    assert_eq!(one.unwrap().port(), other.unwrap().port());
}

#[tokio::test]
async fn kept_data_is_there_again_until_it_is_forgotten() {
    // Closed to other users, so as root the data must lie elsewhere.
    let home = tempfile::tempdir().unwrap();
    let kept = home.path().join("kept");
    let options = Options { directory: Some(kept.clone()), fsync: true, ..Options::default() };
    let first = Postgres::start(options.clone()).await.unwrap();
    with_a_row(&first, "kept").await;
    drop(first);
    let second = Postgres::start(options.clone()).await.unwrap();
    assert_eq!(count(&second, "kept").await, 1);
    drop(second);
    forget(&kept).unwrap();
    let third = Postgres::start(options).await.unwrap();
    assert!(!third.has_database("kept").await.unwrap());
    drop(third);
    forget(&kept).unwrap();
}
