-- The legs of a conversation are looked for when a message names the wrong one of them.
CREATE INDEX calls_by_parent ON calls (parent, row) WHERE parent IS NOT NULL;
