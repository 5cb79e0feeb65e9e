use super::*;

/// Sends one command to the driver and gives the whole answer.
async fn post(port: u16, path: &str, body: &Value) -> Value {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let body = body.to_string();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The driver keeps the connection open, so the answer is complete when its body is.
    loop {
        let read = tokio::time::timeout(START_DEADLINE, stream.read_buf(&mut answer)).await;
        assert!(read.expect("the driver answers").unwrap() > 0, "the driver hung up");
        let text = String::from_utf8_lossy(&answer);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && let Ok(value) = serde_json::from_str(body)
        {
            return value;
        }
    }
}

#[tokio::test]
async fn a_session_runs_a_page_and_the_browser_ends_with_its_driver() {
    let chromium = Chromium::start().await.unwrap();
    let wanted = json!({ "capabilities": { "alwaysMatch": chromium.capabilities() } });
    let session = post(chromium.port, "/session", &wanted).await;
    let id = session["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {session}"));
    let page = json!({ "url": "data:text/html,<title>neighbour</title>" });
    post(chromium.port, &format!("/session/{id}/url"), &page).await;
    let script = json!({ "script": "return document.title", "args": [] });
    let title = post(chromium.port, &format!("/session/{id}/execute/sync"), &script).await;
    assert_eq!(title["value"], "neighbour");

    let directory = chromium.directory.path().to_path_buf();
    assert!(!browsers(&directory).is_empty());
    drop(chromium);
    let start = Instant::now();
    while !browsers(&directory).is_empty() || directory.exists() {
        assert!(start.elapsed() < START_DEADLINE, "the browser outlives its driver: {:?}", browsers(&directory));
        tokio::time::sleep(POLL).await;
    }
}

/// The processes whose command line names a directory.
fn browsers(directory: &Path) -> Vec<String> {
    let name = directory.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(name)).collect()
}
