use super::*;

#[test]
fn a_setting_that_is_told_has_no_secret() {
    let told = without_secrets("invalid value 'nats://ci:hunter2@nats:4222' for '--nats-url'".to_owned());
    assert_eq!(told, "invalid value 'nats://ci:[redacted:url-password]@nats:4222' for '--nats-url'");
}
