//! Who may decide: roles, quorum, exclusions. Persons are recognised here, never by a name they type.
