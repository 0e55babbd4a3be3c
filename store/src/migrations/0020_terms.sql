-- What a subscriber agrees to, of what a release says of itself. The whole of that can be megabytes, and every run asks
-- for the terms.
ALTER TABLE releases ADD COLUMN terms TEXT NOT NULL DEFAULT '';
UPDATE releases SET terms = json_object(
    'price', COALESCE(json_extract(about, '$.price'), 0),
    'subscription_price', COALESCE(json_extract(about, '$.subscription_price'), 0),
    'egress', json(COALESCE(json_extract(about, '$.egress'), '[]')),
    'credentials', (
        SELECT json_group_array(json_object(
            'name', json_extract(c.value, '$.name'),
            'hosts', json(COALESCE(json_extract(c.value, '$.hosts'), '[]')),
            'expose', json(CASE WHEN json_extract(c.value, '$.expose') THEN 'true' ELSE 'false' END)
        ))
        FROM json_each(COALESCE(json_extract(releases.about, '$.credentials'), '[]')) c
    )
);
