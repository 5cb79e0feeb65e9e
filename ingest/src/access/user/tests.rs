use super::*;

#[test]
fn a_proxy_names_nobody_of_the_system() {
    assert_eq!(User::of_proxy("system:admin", &[]), None);
    assert_eq!(User::of_proxy("", &["readers"]), None);
    let user = User::of_proxy("alice", &["readers", "system:masters", ""]).unwrap();
    assert_eq!(user.groups, ["readers", "system:authenticated"]);
}

#[test]
fn users_that_differ_anywhere_are_told_apart() {
    let user = |name: &str, uid: &str, groups: &[&str], extra: &[(&str, &str)]| {
        let groups = groups.iter().map(ToString::to_string).collect();
        let extra = extra.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect();
        User::new(name.to_owned(), uid.to_owned(), groups, extra).unwrap().digest()
    };
    let all = [
        user("a", "", &[], &[]),
        user("a", "b", &[], &[]),
        user("ab", "", &[], &[]),
        user("a", "", &["b"], &[]),
        user("a", "", &["b", "c"], &[]),
        user("a", "", &["bc"], &[]),
        user("a", "", &["b"], &[("c", "d")]),
        user("a", "", &["b", "c"], &[("d", "e")]),
        user("a", "", &[], &[("b", "c")]),
    ];
    for (index, one) in all.iter().enumerate() {
        assert_eq!(all.iter().position(|other| other == one), Some(index));
    }
}
