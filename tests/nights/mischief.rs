//! What a night meets and nobody planned: locks, prepared transactions, ways past a freeze, a replica that does not come, a server
//! that dies, a network that is cut. Told on night 1's servers while the shop sells; each ends where it began, and what was
//! acknowledged is there.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder};

use crate::night::{Night, here};
use crate::servers::proxy::{At, Proxy, Then};
use crate::shop::{Shop, Side};
use crate::story::{failed_after, sabotaged, two_persons};

/// Whose session it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    Administrator,
    Application,
}

/// One mischief of the databases.
struct Mischief {
    name: &'static str,
    /// What somebody does at one side before the night, and holds while it lasts.
    at: Side,
    who: Who,
    does: &'static str,
    /// What an administrator does away with afterwards.
    ends: &'static [(Side, &'static str)],
    /// What is changed in the runbook, for a shorter test.
    hurries: &'static [(&'static str, &'static str)],
    /// A step behind which the night fails by itself; none where the mischief ends it.
    fails_after: Option<&'static str>,
    /// What the log says about it: one of these, where two steps meet it at the same time.
    says: &'static [&'static str],
}

const MISCHIEFS: [Mischief; 10] = [
    Mischief {
        name: "a long transaction of somebody who is not frozen holds the table",
        at: Side::Old,
        who: Who::Administrator,
        does: "BEGIN; UPDATE shop.payments SET cents = cents WHERE id = 1",
        ends: &[],
        hurries: &[],
        fails_after: None,
        says: &["the barrier was not passed"],
    },
    Mischief {
        name: "a long transaction of the application is rolled back by the cut",
        at: Side::Old,
        who: Who::Application,
        does: "BEGIN; INSERT INTO shop.payments (token, cents) VALUES ('never committed', 1)",
        ends: &[],
        hurries: &[],
        fails_after: Some("counts"),
        says: &["writes of 2 accounts are refused"],
    },
    Mischief {
        name: "a prepared transaction outlives every session",
        at: Side::Old,
        who: Who::Administrator,
        does: "XA START 'left'; INSERT INTO shop.orders (number) VALUES ('xa'); XA END 'left'; XA PREPARE 'left'",
        ends: &[(Side::Old, "XA ROLLBACK 'left'")],
        hurries: &[],
        fails_after: None,
        says: &["a prepared transaction that can be committed at any time"],
    },
    Mischief {
        name: "columns and a role give the right to write too",
        at: Side::Old,
        who: Who::Administrator,
        does: "SET sql_log_bin = 0; GRANT INSERT (token), UPDATE (cents) ON shop.payments TO 'shop_app'@'%'; \
               CREATE ROLE clerk; GRANT INSERT, UPDATE ON shop.* TO clerk; GRANT clerk TO 'shop_app'@'%'; \
               SET DEFAULT ROLE clerk FOR 'shop_app'@'%'",
        ends: &[(
            Side::Old,
            "SET sql_log_bin = 0; REVOKE INSERT (token), UPDATE (cents) ON shop.payments FROM 'shop_app'@'%'; DROP ROLE clerk",
        )],
        hurries: &[],
        fails_after: Some("counts"),
        says: &["writes of 2 accounts are refused"],
    },
    Mischief {
        name: "a wildcard gives the right to write, and the account of the night may not take it",
        at: Side::Old,
        who: Who::Administrator,
        does: "SET sql_log_bin = 0; GRANT INSERT ON `sh%`.* TO 'shop_app'@'%'",
        ends: &[(Side::Old, "SET sql_log_bin = 0; REVOKE INSERT ON `sh%`.* FROM 'shop_app'@'%'")],
        hurries: &[],
        fails_after: None,
        says: &["Access denied for user 'pointsman'@'127.0.0.1' to database 'sh%'"],
    },
    Mischief {
        name: "a routine writes with the rights of its definer",
        at: Side::Old,
        who: Who::Administrator,
        does: "CREATE PROCEDURE shop.gift() SQL SECURITY DEFINER INSERT INTO shop.payments (token, cents) VALUES ('gift', 1); \
               GRANT EXECUTE ON PROCEDURE shop.gift TO 'shop_app'@'%'",
        ends: &[(Side::Old, "DROP PROCEDURE shop.gift")],
        hurries: &[],
        fails_after: None,
        says: &["shop.gift"],
    },
    Mischief {
        name: "somebody wrote at the new side",
        at: Side::New,
        who: Who::Administrator,
        does: "SET sql_log_bin = 0; INSERT INTO shop.payments (id, token, cents) VALUES (1000000000, 'stray', 0)",
        ends: &[(Side::New, "SET sql_log_bin = 0; DELETE FROM shop.payments WHERE token = 'stray'")],
        hurries: &[],
        fails_after: None,
        says: &["the stores do not agree"],
    },
    Mischief {
        name: "an event writes at the old side",
        at: Side::Old,
        who: Who::Administrator,
        does: "CREATE EVENT shop.nightly ON SCHEDULE EVERY 1 HOUR STARTS NOW() + INTERVAL 1 HOUR DO DELETE FROM shop.payments WHERE cents < 0",
        ends: &[(Side::Old, "DROP EVENT shop.nightly")],
        hurries: &[],
        fails_after: Some("counts"),
        says: &["writes of 2 accounts are refused"],
    },
    // From here on the new side is behind, which no other mischief could stand.
    Mischief {
        name: "the replica is stopped",
        at: Side::New,
        who: Who::Administrator,
        does: "STOP SLAVE",
        ends: &[(Side::New, "START SLAVE")],
        hurries: &[],
        fails_after: None,
        says: &["thread of the replica is stopped", "which the source does not have"],
    },
    Mischief {
        name: "the replica is far behind",
        at: Side::New,
        who: Who::Administrator,
        does: "STOP SLAVE; CHANGE MASTER TO MASTER_DELAY = 3600; START SLAVE",
        ends: &[(Side::New, "STOP SLAVE; CHANGE MASTER TO MASTER_DELAY = 0; START SLAVE")],
        hurries: &[("within: 30s", "within: 3s")],
        fails_after: None,
        says: &["it is set to stay 3600 s behind", "the source has not applied"],
    },
];

/// A session that did it, and stays open.
async fn hold(shop: &Shop, mischief: &Mischief) -> Conn {
    let opts = match mischief.who {
        Who::Administrator => {
            let socket = shop.sandbox.path().join(mischief.at.word()).join("db.sock");
            OptsBuilder::default().user(Some("root")).socket(Some(socket.to_str().unwrap().to_owned()))
        }
        Who::Application => {
            let (port, password) = (shop.sandbox.port(mischief.at.offset()), shop.sandbox.secret("APP_PASSWORD"));
            let opts = OptsBuilder::default().user(Some("shop_app")).pass(Some(password)).prefer_socket(false);
            opts.ip_or_hostname("127.0.0.1").tcp_port(port)
        }
    };
    let mut session = Conn::new(opts).await.unwrap();
    session.query_drop(mischief.does).await.unwrap();
    session
}

/// The runbook beside its roster, with what the mischief changes in it.
fn hurried(shop: &Shop, mischief: &Mischief) -> PathBuf {
    let (folder, runbook) = (shop.sandbox.path(), shop.sandbox.runbook());
    two_persons(&folder);
    let planned = match mischief.fails_after {
        Some(step) => sabotaged(&runbook, step, &folder),
        None => runbook,
    };
    let mut text = std::fs::read_to_string(planned).unwrap();
    for (from, to) in mischief.hurries {
        assert!(text.contains(from), "the runbook does not say `{from}`");
        text = text.replace(from, to);
    }
    let path = folder.join("mischief.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_holds_a_freeze_up_or_leads_past_it_the_old_side_is_as_it_was() {
    if !here::<Shop>() {
        return;
    }
    let mut shop = Shop::open();
    shop.sells(200);
    for (number, mischief) in MISCHIEFS.iter().enumerate() {
        let session = hold(&shop, mischief).await;
        let (before, mut executor) = (Night::state(&shop), shop.executor(&format!("mischief-{number}")));
        let runbook = hurried(&shop, mischief);
        Night::begin(&shop, &mut executor, &runbook);
        let told = failed_after("mischief").tell(&mut executor);
        assert_eq!(told.ended.code, 4, "{}:\n{}", mischief.name, told.ended.account);
        assert!(mischief.says.iter().any(|words| executor.log().contains(words)), "{}:\n{}", mischief.name, told.ended.account);
        assert_eq!(Night::state(&shop), before, "{}:\n{}", mischief.name, told.ended.account);
        drop(session);
        for (side, statement) in mischief.ends {
            shop.sandbox.call(&["sql", side.word(), statement]);
        }
        shop.sells(50);
    }
    println!("{}", shop.settle(Side::Old).await.unwrap());
}

/// Kills the old server as soon as the log of a night says `when`, and starts it again.
fn crash_when(shop: &Shop, home: &str, when: &'static str) -> (std::thread::JoinHandle<()>, Arc<AtomicUsize>) {
    let (log, fired) = (shop.sandbox.path().with_file_name(home).join("night.log"), Arc::new(AtomicUsize::new(0)));
    let (crash, counted) = (shop.sandbox.caller(&["crash", "old"]), fired.clone());
    let thread = std::thread::spawn(move || {
        let end = Instant::now() + Duration::from_secs(120);
        while Instant::now() < end {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            if text.lines().any(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ").starts_with(when)) {
                crash();
                counted.fetch_add(1, Ordering::SeqCst);
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    (thread, fired)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_in_the_freeze_or_in_the_thaw_comes_back_as_it_was() {
    if !here::<Shop>() {
        return;
    }
    let mut shop = Shop::open();
    shop.sells(200);
    for (number, when) in ["freeze-old started", "freeze-old undo started"].into_iter().enumerate() {
        let (before, home) = (Night::state(&shop), format!("crash-{number}"));
        let mut executor = shop.executor(&home);
        let (thread, fired) = crash_when(&shop, &home, when);
        let runbook = sabotaged(&shop.sandbox.runbook(), "freeze-old", &shop.sandbox.path());
        Night::begin(&shop, &mut executor, &runbook);
        // Nobody decides before the server is there again.
        thread.join().unwrap();
        let told = failed_after("freeze-old").tell(&mut executor);
        assert_eq!(fired.load(Ordering::SeqCst), 1, "{when}:\n{}", told.ended.account);
        assert_eq!(told.ended.code, 4, "{when}:\n{}", told.ended.account);
        assert_eq!(Night::state(&shop), before, "{when}:\n{}", told.ended.account);
        shop.sells(50);
    }
    println!("{}", shop.settle(Side::Old).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_cut_in_the_freeze_or_in_the_thaw_leaves_the_old_side_as_it_was() {
    if !here::<Shop>() {
        return;
    }
    let mut shop = Shop::open();
    shop.sells(200);
    let proxy = Proxy::before(shop.sandbox.port(0)).await;
    let cuts = [
        ("REVOKE ", At::Order),
        ("REVOKE ", At::Answer),
        ("LOCK TABLES", At::Answer),
        ("GRANT ", At::Order),
        ("GRANT ", At::Answer),
    ];
    for (number, (statement, at)) in cuts.into_iter().enumerate() {
        let (before, fired) = (Night::state(&shop), proxy.fired());
        let mut executor = shop.executor(&format!("cut-{number}"));
        let runbook = sabotaged(&shop.sandbox.runbook(), "freeze-old", &shop.sandbox.path());
        proxy.trap(statement, at, Then::Cut);
        let (params, past_the_proxy) = (shop.sandbox.path().join("params.yaml"), format!("old_port={}", proxy.port));
        executor.run(&runbook, &params, &["--param", &past_the_proxy]);
        let told = failed_after("freeze-old").tell(&mut executor);
        assert_eq!(proxy.fired(), fired + 1, "{statement} {at:?}:\n{}", told.ended.account);
        assert_eq!(told.ended.code, 4, "{statement} {at:?}:\n{}", told.ended.account);
        assert_eq!(Night::state(&shop), before, "{statement} {at:?}:\n{}", told.ended.account);
        shop.sells(50);
    }
    println!("{}", shop.settle(Side::Old).await.unwrap());
}
