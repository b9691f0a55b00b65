//! The demo's shop by itself: real processes on real files, moved by hand as a runbook would.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pointsman::demo::shop::{Page, Trouble, open};
use pointsman::demo::{Folder, Role, Side, Verdict};

/// The processes of one shop; they end with this.
struct Shop {
    folder: Folder,
    processes: Vec<(Role, Child)>,
}

impl Shop {
    fn create(path: &Path) -> Self {
        let folder = Folder::new(path);
        pointsman::demo::shop::create(&folder).unwrap();
        let mut shop = Self { folder, processes: Vec::new() };
        Role::ALL.into_iter().for_each(|role| shop.start(role));
        shop
    }

    fn start(&mut self, role: Role) {
        let child = Command::new(env!("CARGO_BIN_EXE_pointsman"))
            .args(["shop", role.word(), "--dir"])
            .arg(self.folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        self.processes.push((role, child));
    }

    /// Closes the pipe and waits for a good end.
    fn end(&mut self, role: Role) {
        let at = self.processes.iter().position(|(r, _)| *r == role).unwrap();
        let (_, mut child) = self.processes.remove(at);
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success(), "{role:?} ended badly");
    }

    fn kill(&mut self, role: Role) {
        let at = self.processes.iter().position(|(r, _)| *r == role).unwrap();
        let (_, mut child) = self.processes.remove(at);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn acknowledged(&self) -> usize {
        pointsman::demo::shop::Ledger::read(&self.folder).unwrap().acknowledged().count()
    }

    fn more_orders(&self, count: usize) {
        let goal = self.acknowledged() + count;
        wait("orders are acknowledged", || self.acknowledged() >= goal);
    }

    fn number(&self, side: Side, question: &str) -> i64 {
        open(&self.folder, side).unwrap().query_row(question, [], |row| row.get(0)).unwrap()
    }

    fn write(&self, side: Side, sql: &str) {
        open(&self.folder, side).unwrap().execute_batch(sql).unwrap();
    }

    fn pending(&self, side: Side) -> i64 {
        self.number(side, "SELECT count(*) FROM jobs WHERE state = 'pending'")
    }

    fn copied(&self) -> bool {
        self.number(Side::Old, "SELECT coalesce(max(id), 0) FROM changes")
            == self.number(Side::New, "SELECT position FROM copied")
    }

    fn switch_to(&self, side: Side) {
        let fresh = self.folder.path().join("shop.json.fresh");
        std::fs::write(&fresh, format!("{{\"database\": \"{side}\", \"locked\": false}}")).unwrap();
        std::fs::rename(fresh, self.folder.switch()).unwrap();
    }

    fn finish(&mut self) -> Verdict {
        self.end(Role::Writer);
        let live = self.folder.live_side().unwrap();
        wait("the worker is through", || self.pending(live) == 0);
        while let Some((role, _)) = self.processes.first() {
            let role = *role;
            self.end(role);
        }
        Verdict::of(&self.folder).unwrap()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        for (_, child) in &mut self.processes {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

const FREEZE: &str = "CREATE TRIGGER frozen BEFORE INSERT ON orders BEGIN SELECT raise(ABORT, 'frozen'); END";

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < end, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_shop_that_moves_in_the_right_order_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut shop = Shop::create(folder.path());
    shop.more_orders(40);
    shop.write(Side::New, FREEZE);
    shop.write(Side::Old, FREEZE);
    wait("the queue is empty", || shop.pending(Side::Old) == 0);
    wait("the sync is through, past the trigger that closes the new side", || shop.copied());
    shop.write(Side::New, "DROP TRIGGER frozen");
    shop.switch_to(Side::New);
    shop.more_orders(40);
    let verdict = shop.finish();
    assert!(verdict.is_whole(), "{verdict:?}");
    assert_eq!((verdict.live, verdict.found), (Side::New, verdict.acknowledged));
    assert_eq!(verdict.outages.len(), 1, "{verdict:?}");
    assert!(verdict.refusals > 0 && verdict.refused_for() > Duration::ZERO, "{verdict:?}");
}

#[test]
fn a_shop_that_turns_back_is_whole_on_the_old_side() {
    let folder = tempfile::tempdir().unwrap();
    let mut shop = Shop::create(folder.path());
    shop.more_orders(20);
    shop.write(Side::Old, FREEZE);
    let before = shop.acknowledged();
    wait("an order is refused", || {
        let ledger = pointsman::demo::shop::Ledger::read(&shop.folder).unwrap();
        ledger.entries.last().is_some_and(|entry| matches!(entry.outcome, pointsman::demo::shop::Outcome::Refused { .. }))
    });
    assert!(shop.acknowledged() <= before + 1, "a frozen side takes no orders");
    shop.write(Side::Old, "DROP TRIGGER frozen");
    shop.more_orders(20);
    let verdict = shop.finish();
    assert!(verdict.is_whole(), "{verdict:?}");
    assert_eq!(verdict.live, Side::Old);
}

#[test]
fn the_verdict_sees_every_kind_of_damage() {
    let folder = tempfile::tempdir().unwrap();
    let mut shop = Shop::create(folder.path());
    shop.more_orders(20);
    wait("the sync has copied something", || shop.number(Side::New, "SELECT count(*) FROM orders") > 5);
    assert!(shop.finish().is_whole());

    let damage = |shop: &Shop, side: Side, sql: &str, repair: &str| {
        shop.write(side, sql);
        let verdict = Verdict::of(&shop.folder).unwrap();
        assert!(!verdict.is_whole(), "{sql} went unseen");
        shop.write(side, repair);
        assert!(Verdict::of(&shop.folder).unwrap().is_whole(), "{repair} is no repair");
        verdict
    };
    let lost = damage(
        &shop,
        Side::Old,
        "CREATE TABLE kept AS SELECT * FROM orders WHERE number = 3; DELETE FROM orders WHERE number = 3",
        "INSERT INTO orders SELECT * FROM kept; DROP TABLE kept",
    );
    assert_eq!(lost.lost, [3]);
    let doubled = damage(
        &shop,
        Side::Old,
        "INSERT INTO orders SELECT '4.again', number, customer, cents, placed_ms FROM orders WHERE number = 4",
        "DELETE FROM orders WHERE attempt = '4.again'",
    );
    assert_eq!(doubled.duplicated, [4]);
    let left = damage(&shop, Side::New, "INSERT INTO jobs (number) VALUES (1)", "DELETE FROM jobs");
    assert_eq!((left.left_behind, left.wrong_jobs), (1, 1));
    damage(&shop, Side::Old, FREEZE, "DROP TRIGGER frozen");

    shop.switch_to(Side::New);
    let verdict = Verdict::of(&shop.folder).unwrap();
    assert!(verdict.other_side.is_some(), "two sides that take orders went unseen: {verdict:?}");
}

#[test]
fn nothing_is_lost_when_every_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut shop = Shop::create(folder.path());
    let mut kills = 0;
    for _ in 0..4 {
        for role in Role::ALL {
            shop.more_orders(7);
            shop.kill(role);
            kills += 1;
            shop.start(role);
        }
    }
    shop.more_orders(10);
    wait("the sync is close", || shop.number(Side::New, "SELECT count(*) FROM orders") > 60);
    shop.write(Side::Old, FREEZE);
    wait("the queue is empty", || shop.pending(Side::Old) == 0);
    wait("the sync is through", || shop.copied());
    shop.switch_to(Side::New);
    shop.more_orders(10);
    let verdict = shop.finish();
    assert_eq!(kills, 12);
    assert!(verdict.is_whole(), "{verdict:?}");
    assert_eq!(verdict.live, Side::New);
}

#[test]
fn the_front_tells_where_the_last_order_went() {
    use std::io::{Read, Write};
    let ask = |url: &str, request: &str| {
        let mut stream = std::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let folder = tempfile::tempdir().unwrap();
    let mut shop = Shop::create(folder.path());
    shop.more_orders(1);
    let url = shop.folder.front_url().unwrap().unwrap();
    let health = ask(&url, "GET /health HTTP/1.1\r\nhost: shop\r\n\r\n");
    assert!(health.starts_with("HTTP/1.1 200") && health.contains("\"writes_to\":\"old\""), "{health}");
    let sign = shop.folder.sign(Page::LastOrder, Trouble::Broken);
    std::fs::write(&sign, "").unwrap();
    assert!(ask(&url, "GET /last-order HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 503"));
    std::fs::remove_file(&sign).unwrap();
    assert!(ask(&url, "GET /last-order HTTP/1.1\r\n\r\n").contains("\"stored_in\":\"old\""));
    let notice = "POST /notices HTTP/1.1\r\nContent-Length: 14\r\n\r\n{\"text\": \"hi\"}";
    assert!(ask(&url, notice).starts_with("HTTP/1.1 200"));
    assert_eq!(std::fs::read_to_string(shop.folder.notices()).unwrap(), "{\"text\": \"hi\"}\n");
    assert!(ask(&url, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(shop.finish().is_whole());
}
