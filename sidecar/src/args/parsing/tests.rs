use super::*;

#[test]
fn rules_are_a_file_or_the_text_itself_and_a_mistake_names_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rules.toml");
    std::fs::write(&file, "[lines]\nstart = '^a'\nwait_ms = 70\n").unwrap();
    assert_eq!(read_rules(file.to_str().unwrap()).unwrap().wait().as_millis(), 70);
    assert_eq!(read_rules("[lines]\nstart = '^a'\nwait_ms = 80\n").unwrap().wait().as_millis(), 80);
    assert!(read_rules("lines.start = '('").unwrap_err().starts_with("line 1: the pattern `(` cannot be used"));
    assert!(read_rules("/nowhere/rules.toml").unwrap_err().starts_with("cannot read the rules: No such file"));
}

#[test]
fn patterns_of_the_flag_and_of_the_rules_are_both_used() {
    let rules = Some(read_rules("[[redact]]\nname = 'ticket'\npattern = 'T-\\d+'\n").unwrap());
    let redactor = ParsingArgs { rules, redact: vec!["pin \\d+".to_owned()] }.redactor().unwrap();
    let text = redactor.text("T-1 pin 2", &mut records::redact::Redactions::new());
    assert_eq!(text.as_deref(), Some("[redacted:ticket] [redacted:user]"));
    assert!(pattern("(").unwrap_err().contains("pattern `user` cannot be used"));
}
