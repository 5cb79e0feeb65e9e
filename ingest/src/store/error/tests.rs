use super::*;

#[track_caller]
fn check(code: &str, expected: bool) {
    assert_eq!(is_of_data(&SqlState::from_code(code)), expected, "{code}");
}

#[test]
fn only_what_is_said_of_the_data_is_the_datas_fault() {
    for code in ["22021", "22P05", "22001", "23502", "23505", "21000", "54000"] {
        check(code, true);
    }
    for code in ["08006", "53300", "57P01", "57P03", "40001", "40P01", "55P03", "42P01", "28P01", "25006", "23514"] {
        check(code, false);
    }
}
