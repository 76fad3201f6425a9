-- title: no two packages on sale have one name or one size
-- kind: query
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: the name is unique to the letter, the size is not unique
-- why: seeds ran twice, under names that differ by a space or a capital. Users see one package
--   twice, and the credits of a purchase no longer tell which was bought.
-- remedy: keep the one that the shop links to and take the other off sale: UPDATE
--   public.credit_packages SET is_active = false, updated_at = now() WHERE id = <id>.
-- canary: {"credit_packages": [
--   {"name": "Canary", "credits": 7},
--   {"name": "CANARY ", "credits": 8}]}

-- Packages that are no longer sold may repeat what is sold now.
WITH on_sale AS (
    SELECT id, credits, name, lower(regexp_replace(name, '\s+', '', 'g')) AS letters
      FROM public.credit_packages
     WHERE is_active IS NOT FALSE
), doubles AS (
    SELECT min(id) AS id, count(*) AS number, 'name' AS by,
           string_agg(quote_literal(name), ', ' ORDER BY id) AS names
      FROM on_sale GROUP BY letters HAVING count(*) > 1
    UNION ALL
    SELECT min(id), count(*), 'size', string_agg(quote_literal(name), ', ' ORDER BY id)
      FROM on_sale GROUP BY credits
    HAVING count(*) > 1 AND count(DISTINCT letters) > 1
)
SELECT 'package ' || id AS subject,
       '1 package of this ' || by AS expected,
       number || ' packages' AS actual,
       NULL::numeric AS difference,
       'same-' || by AS cause,
       names AS detail
  FROM doubles;
