//! PM02xx: the shape of the document: keys, kinds of values, formats.

super::codes! {
    201 UNKNOWN_KEY "a key that does not exist here";
    202 MISSING_KEY "a key that must be there is missing";
    203 WRONG_KIND "a value of the wrong kind";
    204 EMPTY_VALUE "a key without a value";
    205 VERSION "a language version that is not known";
    206 NAME "a name that is not well formed";
    207 DURATION "a duration that is not well formed";
    208 WORD "a word that is not one of the choices";
    209 NUMBER_RANGE "a number outside its range";
    210 WINDOW_TIME "a window time that is not well formed";
    211 TIME_ZONE "a time zone that does not exist";
    212 WINDOW_AMBIGUOUS "a local time that does not exist, or exists twice";
    213 WINDOW_ORDER "a window that closes before it opens";
    214 PARAM_KEY "a constraint that does not fit the type of the parameter";
    215 PARAM_DEFAULT "a default that the parameter's own rules refuse";
    216 PARAM_ENUM "an enum value that does not fit the type";
    217 NO_WORK "a step that does nothing";
    218 TWO_WORKS "a step that does two things";
    219 UNDO_SHAPE "an undo that is not one of its four forms";
    220 RERUN_UNEXPLAINED "in_doubt: rerun without a reason";
    221 CONDITION "a condition that is not well formed";
    222 REPEATED "an item that stands twice in one list";
    223 NO_STEPS "a runbook without steps";
    224 SAME_TARGET "a move from a target to itself";
    225 MAX_CONCURRENT "max_concurrent without foreach";
    226 KEY_HERE "a key that does not belong in this part of the runbook";
    227 EMPTY_TEXT "a text that says nothing";
    228 KEY_LINE "a public key that is not well formed";
    229 LOCAL_USER_TWICE "a local user who would be two persons";
    230 DEPUTY "a deputy who is no other person of the roster";
    231 KEYS_LINE "a line of a file of keys that cannot be read";
    232 HEARTBEAT "a heartbeat that is too long or too short";
    233 ADDRESS "an address that is not protected, or not whole";
    234 CLAIM_TWICE "somebody who signs in and would be two persons";
}
