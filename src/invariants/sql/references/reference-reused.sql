-- title: a user has one entry of a type for one reference
-- kind: query
-- scope: user
-- severity: info
-- since: 1.0.0
-- guarded_by: credit_transactions_reference_key
-- why: from schema 1.2.0 on a reference is booked once, so a second entry stands in the way of that
--   upgrade even when it was right or has been settled: two refunds in parts, or a double charge
--   that was given back.
-- remedy: settle what is not settled: "creditdb verify usage-reference-duplicate
--   purchase-reference-duplicate". Then give each later entry a reference of its own, which changes
--   no amount. A refund or an adjustment becomes what it would be from 1.2.0 on, a part that is
--   found by its origin, with <n> from 2 on: UPDATE public.credit_transactions SET transaction_type
--   = 'admin_adjustment', reference_id = reference_id || ' part <n>', description =
--   coalesce(description, <reason>) WHERE user_id = <user> AND id = <id>. Another entry takes the
--   refund along that gave it back: UPDATE public.credit_transactions SET reference_id =
--   reference_id || '#<id>' WHERE user_id = <user> AND id IN (<id>, <its refund>). A second charge
--   that was due, as of a request that was charged in two parts, is moved to the first one then:
--   SELECT * FROM public.add_user_credits(<user>, <its credits>, 'refund', <its new reference>,
--   <reason>), and SELECT * FROM public.debit_user_credits(<user>, <its credits>,
--   'admin_adjustment', <reference>, <reason>).
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "bonus", "amount": 5,
--    "reference_id": "a"},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "bonus", "amount": 5,
--    "reference_id": "a"}]}

-- Whether the user paid or got too much is usage-reference-duplicate and
-- purchase-reference-duplicate. References that say nothing do not count.
SELECT format('reference %s of user %s', reference_id, user_id) AS subject,
       '1 ' || transaction_type AS expected,
       count(*) || ' entries' AS actual,
       NULL::numeric AS difference,
       CASE WHEN min(amount) = max(amount) THEN 'same-amount' ELSE 'amounts-differ' END AS cause,
       'entries ' || string_agg(format('%s (%s)', id, trim_scale(amount)), ', ' ORDER BY id)
           AS detail
  FROM public.credit_transactions
 WHERE btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
 GROUP BY user_id, transaction_type, reference_id
HAVING count(*) > 1;
