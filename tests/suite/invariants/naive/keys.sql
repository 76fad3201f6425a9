-- check: key-shared-ciphertext
SELECT 1 FROM user_provider_keys AS a JOIN user_provider_keys AS b
    ON b.encrypted_key = a.encrypted_key AND b.id <> a.id
 WHERE a.encrypted_key <> ''

-- check: key-default-duplicate
SELECT 1 FROM user_provider_keys AS a JOIN user_provider_keys AS b
    ON b.user_id = a.user_id AND b.provider = a.provider AND b.id <> a.id
   AND a.is_default AND b.is_default

-- check: key-default-inactive
SELECT 1 FROM user_provider_keys WHERE (is_default, is_active) = (true, false)

-- The raw value without quotes and blanks around it is one word that begins like a key, or a longer
-- one is a word of it.
-- check: key-plaintext
SELECT 1 FROM user_provider_keys
 CROSS JOIN LATERAL (SELECT btrim(encrypted_key, E'"'' \n\t')) AS t (word)
 WHERE word ~ '^[A-Za-z0-9_-]+$'
   AND (starts_with(word, 'sk-') AND length(word) >= 15
        OR starts_with(word, 'AIza') AND length(word) = 39
        OR starts_with(word, 'gsk_') AND length(word) >= 24
        OR starts_with(word, 'hf_') AND length(word) >= 23
        OR starts_with(word, 'xai-') AND length(word) >= 24
        OR starts_with(word, 'r8_') AND length(word) >= 23
        OR starts_with(word, 'AKIA') AND length(word) = 20)
    OR word = ''
    OR EXISTS (
        SELECT 1 FROM regexp_split_to_table(key_name, '[^A-Za-z0-9_-]+') AS part
         WHERE starts_with(part, 'sk-') AND length(part) >= 23
            OR starts_with(part, 'AIza') AND length(part) = 39
            OR starts_with(part, 'gsk_') AND length(part) >= 24
            OR part ~ '^(hf|r8)_' AND length(part) >= 23
            OR starts_with(part, 'xai-') AND length(part) >= 24
            OR starts_with(part, 'AKIA') AND length(part) = 20)
    OR lower(word) LIKE 'bearer %'
    OR word LIKE '-----BEGIN %PRIVATE KEY%'
    OR word LIKE '{%' AND lower(word) NOT LIKE '%"ciphertext"%'
    OR EXISTS (
        SELECT 1 FROM regexp_split_to_table(
                   regexp_replace(encrypted_key, '\\([bfnrt]|u00..)', ' ', 'g'),
                   '[^A-Za-z0-9_.-]+') AS inner_word
         CROSS JOIN LATERAL (SELECT split_part(inner_word, '.', 1)) AS k (key)
         WHERE starts_with(key, 'sk-') AND key ~ '^sk-[a-z]+-' AND length(key) >= 26
            OR starts_with(key, 'AIza') AND length(key) = 39
            OR starts_with(key, 'AKIA') AND length(key) = 20
            OR starts_with(key, 'xai-') AND length(key) >= 24
            OR key ~ '^(sk-|gsk_|hf_|r8_)[A-Za-z0-9]+$' AND length(key) BETWEEN 24 AND 67)

-- check: secret-in-text
WITH texts (text) AS (
    SELECT error_message FROM llm_usage_log UNION ALL SELECT metadata::text FROM llm_usage_log
    UNION ALL
    SELECT substring(name FROM '^[A-Za-z0-9_-]+')
      FROM llm_usage_log CROSS JOIN LATERAL (VALUES (model), (provider)) AS v (name)
     WHERE length(name) >= 36
)
SELECT 1 FROM texts
 CROSS JOIN LATERAL regexp_split_to_table(
           regexp_replace(text, '\\([bfnrt]|u00..)', ' ', 'g'), '[^A-Za-z0-9_-]+') AS word
 WHERE starts_with(word, 'sk-') AND length(word) >= 23
    OR starts_with(word, 'AIza') AND length(word) = 39
    OR starts_with(word, 'gsk_') AND length(word) >= 24
    OR starts_with(word, 'hf_') AND length(word) >= 23
    OR starts_with(word, 'xai-') AND length(word) >= 24
    OR starts_with(word, 'r8_') AND length(word) >= 23
    OR starts_with(word, 'AKIA') AND length(word) = 20

-- check: secret-in-entry
WITH texts (text) AS (
    SELECT description FROM credit_transactions
    UNION ALL SELECT metadata::text FROM credit_transactions
)
SELECT 1 FROM texts
 CROSS JOIN LATERAL regexp_split_to_table(
           regexp_replace(text, '\\([bfnrt]|u00..)', ' ', 'g'), '[^A-Za-z0-9_-]+') AS word
 WHERE starts_with(word, 'sk-') AND length(word) >= 23
    OR starts_with(word, 'AIza') AND length(word) = 39
    OR starts_with(word, 'gsk_') AND length(word) >= 24
    OR starts_with(word, 'hf_') AND length(word) >= 23
    OR starts_with(word, 'xai-') AND length(word) >= 24
    OR starts_with(word, 'r8_') AND length(word) >= 23
    OR starts_with(word, 'AKIA') AND length(word) = 20
