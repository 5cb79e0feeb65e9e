use super::*;

fn args(url: &str) -> DatabaseArgs {
    DatabaseArgs { database_url: Some(url.to_owned()), database_url_file: None, database_ca: None, database_connections: 4 }
}

#[tokio::test]
async fn plain_text_stays_on_this_machine() {
    for url in ["postgres://a:b@127.0.0.1/x", "postgres://a:b@localhost:5/x", "postgres://a:b@[::1]/x", "host=/run/pg user=a"] {
        assert!(open(&args(url)).is_ok(), "{url}");
    }
    for (url, remote) in [
        ("postgres://a:secret@db.example/x?sslmode=disable", "db.example"),
        ("host=localhost hostaddr=10.0.0.7 user=a sslmode=disable", "10.0.0.7"),
        ("hostaddr=10.0.0.7 user=a sslmode=disable", "10.0.0.7"),
    ] {
        let error = open(&args(url)).expect_err("refused");
        assert!(matches!(error, DatabaseSettingsError::Plaintext(ref host) if host == remote), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_url_is_told_without_its_password() {
    let error = open(&args("postgres://a:secret@host:notaport/x")).expect_err("no url");
    assert!(!format!("{error:#}").contains("secret"));
}

#[tokio::test]
async fn all_connections_are_parted_among_storing_and_readers() {
    for (connections, storing, reading) in [(4, 2, 2), (16, 8, 8), (5, 2, 3), (100, 8, 92)] {
        let args = DatabaseArgs { database_connections: connections, ..args("postgres://a:b@127.0.0.1/x") };
        let pools = open_parted(&args).expect("pools");
        assert_eq!((pools.storing.status().max_size, pools.reading.status().max_size), (storing, reading), "{connections}");
    }
}
