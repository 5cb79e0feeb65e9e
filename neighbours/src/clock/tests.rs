use std::process::Command;
use std::time::SystemTime;

use super::Clock;

/// How far a process's clock is from ours, in seconds.
fn distance(clock: &Clock) -> i64 {
    let output = Command::new("date").arg("+%s").envs(clock.variables()).output().unwrap();
    let told: i64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    told - SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

#[test]
fn it_is_right_until_it_jumps_and_when_it_jumps_back() {
    let directory = tempfile::TempDir::new().unwrap();
    let clock = Clock::new(directory.path().join("clock")).unwrap();
    for seconds in [0, 30 * 86_400, -3_600, 0] {
        clock.set(seconds).unwrap();
        let off = distance(&clock) - seconds;
        assert!(off.abs() < 60, "set to {seconds}, it is {off} s off");
    }
}
