-- How often the gate began to judge a draft since it was asked: a judging that ends the server is begun again at most once.
ALTER TABLE drafts ADD COLUMN judgings INTEGER NOT NULL DEFAULT 0;
