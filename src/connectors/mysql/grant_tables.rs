//! What has to be asked for everybody's privileges, in the order in which the answers are taken.

use super::session::Dialect;

const USERS_OF_MARIADB: &str = "SELECT User AS user, Host AS host, is_role FROM mysql.user";
const USERS_OF_MYSQL: &str = "SELECT User AS user, Host AS host, 'N' AS is_role FROM mysql.user";

const MEMBERS_OF_MARIADB: &str = "SELECT User, Host, Role AS role, '' AS role_host FROM mysql.roles_mapping";
const MEMBERS_OF_MYSQL: &str =
    "SELECT TO_USER AS User, TO_HOST AS Host, FROM_USER AS role, FROM_HOST AS role_host FROM mysql.role_edges";

/// The same in both: privileges everywhere, on databases, tables, columns and routines, and who may act as whom.
const OF_BOTH: [&str; 6] = [
    "SELECT * FROM information_schema.user_privileges",
    "SELECT * FROM mysql.db",
    "SELECT Host, Db, User, Table_name, Table_priv FROM mysql.tables_priv",
    "SELECT Host, Db, User, Table_name, Column_name, Column_priv FROM mysql.columns_priv",
    "SELECT Host, Db, User, Routine_name, Routine_type, Proc_priv FROM mysql.procs_priv",
    "SELECT User, Host, Proxied_user, Proxied_host FROM mysql.proxies_priv",
];

/// MySQL's alone: whether there are partial revokes; what they take away, and nothing else of that column, since a second password
/// has its hash there; the roles that everybody has.
const OF_MYSQL: [&str; 3] = [
    "SHOW GLOBAL VARIABLES WHERE Variable_name = 'partial_revokes' AND Value = 'ON'",
    "SELECT u.User, u.Host, r.db, r.privilege FROM mysql.user u, JSON_TABLE(u.User_attributes, '$.Restrictions[*]' COLUMNS \
     (db VARCHAR(64) PATH '$.Database', NESTED PATH '$.Privileges[*]' COLUMNS (privilege VARCHAR(64) PATH '$'))) r",
    "SELECT @@global.mandatory_roles AS roles",
];

/// The questions: accounts, members of roles, what is the same in both, what is MySQL's alone.
pub(super) fn questions(dialect: Dialect) -> Vec<&'static str> {
    match dialect {
        Dialect::MariaDb => [USERS_OF_MARIADB, MEMBERS_OF_MARIADB].into_iter().chain(OF_BOTH).collect(),
        Dialect::MySql => [USERS_OF_MYSQL, MEMBERS_OF_MYSQL].into_iter().chain(OF_BOTH).chain(OF_MYSQL).collect(),
    }
}
