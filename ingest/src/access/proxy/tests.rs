use super::*;

const SECRET: &str = "a secret of some length";

fn options(networks: &[&str]) -> ProxyOptions {
    ProxyOptions {
        networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
        secret_file: None,
        identity: HeaderName::from_static("x-forwarded-user"),
        groups: HeaderName::from_static("x-forwarded-groups"),
    }
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn name(proxy: &Proxy, peer: &str, lines: &[(&'static str, &'static str)]) -> Option<String> {
    proxy.named(peer.parse().unwrap(), &headers(lines)).map(|user| user.name)
}

#[test]
fn a_name_counts_by_the_address_it_comes_from() {
    let proxy = Proxy::new(options(&["10.1.0.0/16", "fd00::/8"])).unwrap();
    let alice = [("x-forwarded-user", "alice")];
    for (peer, known) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("fd00::1", true),
        ("10.2.0.1", false),
        ("127.0.0.1", false),
        ("::1", false),
        ("192.0.2.1", false),
    ] {
        assert_eq!(name(&proxy, peer, &alice).is_some(), known, "{peer}");
    }
    // What a request says of its own way proves nothing.
    assert_eq!(name(&proxy, "192.0.2.1", &[("x-forwarded-user", "alice"), ("x-forwarded-for", "10.1.2.3")]), None);
}

#[test]
fn one_name_is_needed_and_none_of_the_system() {
    let proxy = Proxy::new(options(&["10.1.0.0/16"])).unwrap();
    for lines in [
        &[][..],
        &[("x-forwarded-user", "")],
        &[("x-forwarded-user", "system:admin")],
        &[("x-forwarded-user", "alice"), ("x-forwarded-user", "bob")],
    ] {
        let mut all = HeaderMap::new();
        for (name, value) in lines {
            all.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        assert_eq!(proxy.named("10.1.0.1".parse().unwrap(), &all), None, "{lines:?}");
    }
    let lines = [("x-forwarded-user", "alice"), ("x-forwarded-groups", "readers, system:masters,writers")];
    let user = proxy.named("10.1.0.1".parse().unwrap(), &headers(&lines)).unwrap();
    assert_eq!(
        (user.name.as_str(), &user.groups[..]),
        ("alice", &["readers", "writers", "system:authenticated"].map(String::from)[..])
    );
}

#[test]
fn from_loopback_a_name_needs_the_secret() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    for network in ["127.0.0.0/8", "127.0.0.1/32", "::1/128", "0.0.0.0/0", "::/0", "::ffff:127.0.0.1/128"] {
        assert!(Proxy::new(options(&[network])).is_err(), "{network}");
    }
    std::fs::write(&file, "short").unwrap();
    let with_secret = || ProxyOptions { secret_file: Some(file.clone()), ..options(&["127.0.0.0/8"]) };
    assert!(Proxy::new(with_secret()).is_err());
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let proxy = Proxy::new(with_secret()).unwrap();
    let alice = ("x-forwarded-user", "alice");
    let secret = |secret| ("x-agent-comms-proxy-secret", secret);
    assert_eq!(name(&proxy, "127.0.0.1", &[alice]), None);
    assert_eq!(name(&proxy, "127.0.0.1", &[alice, secret("another secret")]), None);
    assert_eq!(name(&proxy, "127.0.0.1", &[alice, secret(SECRET)]).as_deref(), Some("alice"));
    assert_eq!(name(&proxy, "10.0.0.1", &[alice, secret(SECRET)]), None);
    std::fs::write(&file, "an entirely new secret").unwrap();
    proxy.reload();
    assert_eq!(name(&proxy, "127.0.0.1", &[alice, secret(SECRET)]), None);
    assert_eq!(name(&proxy, "127.0.0.1", &[alice, secret("an entirely new secret")]).as_deref(), Some("alice"));
    std::fs::remove_file(&file).unwrap();
    proxy.reload();
    assert_eq!(name(&proxy, "127.0.0.1", &[alice, secret("an entirely new secret")]).as_deref(), Some("alice"));
    assert!(!format!("{proxy:?}").contains("secret\""));
}
