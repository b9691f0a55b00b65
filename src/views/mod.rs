//! Records → what people see. Pure; shared by terminal, reports and JSON.
