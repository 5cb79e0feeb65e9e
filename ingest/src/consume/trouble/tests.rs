use super::*;

#[test]
fn one_task_that_stores_does_not_hide_another_that_cannot() {
    let readiness = Readiness::default();
    let tasks: Vec<Trouble> = Trouble::of_tasks(&readiness, 2).collect();
    tasks[0].tell("refused".to_owned());
    tasks[1].is_over();
    assert!(!readiness.is_ready());
    tasks[0].is_over();
    assert!(readiness.is_ready());
}
