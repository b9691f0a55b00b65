//! PM01xx: the text is not the YAML that we read.

super::codes! {
    101 SYNTAX "the text is not YAML";
    102 DUPLICATE_KEY "a key stands twice in one map";
    103 DOCUMENTS "the file holds more than one document";
    104 EMPTY "the file holds no document";
    105 TAG "a YAML tag";
    106 MERGE_KEY "a YAML merge key";
    107 UNKNOWN_ALIAS "an alias without its anchor";
    108 RECURSIVE_ALIAS "an alias inside its own anchor";
    109 ALIAS_BUDGET "aliases repeat too much";
    110 DEPTH_BUDGET "values are nested too deep";
    111 SIZE_BUDGET "the file is too large";
    112 KEY_KIND "a key is not text";
    113 OLD_BOOLEAN "a word that some readers take for true or false";
    114 OLD_NUMBER "a number that readers understand differently";
    115 TAB "a tab character in the indentation";
    116 CONTROL "a character that cannot be seen";
    117 INEXACT_NUMBER "a number that cannot be kept exactly";
    118 DIRECTIVE "a YAML directive";
    119 QUESTION "a text that begins with a question mark";
    120 ANCHOR_NAME "an anchor whose name readers understand differently";
}
