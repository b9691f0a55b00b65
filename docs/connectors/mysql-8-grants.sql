CREATE USER `pointsman`@`%` IDENTIFIED BY '<password>';
-- To see every way past a freeze: definers, triggers, events, other sessions, the grant tables.
GRANT SELECT, PROCESS, SHOW VIEW, TRIGGER, EVENT ON *.* TO `pointsman`@`%`;
-- To cut sessions and work while the server is read-only; to turn its switches and keep the freeze from the replicas; to see what is prepared.
GRANT CONNECTION_ADMIN, SYSTEM_VARIABLES_ADMIN, XA_RECOVER_ADMIN ON *.* TO `pointsman`@`%`;
-- To take and give back what the accounts hold; one line for each database, and `*.*` where they hold something everywhere.
GRANT LOCK TABLES, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, TRIGGER, EVENT, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE
  ON `shop`.* TO `pointsman`@`%` WITH GRANT OPTION;
