-- why: the back-fill of V11 numbers old entries per user, in the order of the chain. In a ledger
--   that only our functions wrote that is the order of ids; entries that another program wrote or
--   copied may have ids in another order.
-- locks: none on tables.
-- transaction: one
-- undo: drop the function.

-- The entries of a user that have no number, in the order in which they become a chain from 0: by
-- id where balance_after follows that way. Else each entry is a step from the balance before it to
-- the balance after it, and the order is a walk that takes each step once: Hierholzer's method,
-- which tries the lowest id first and, where it gets stuck, has found the end of the walk. When no
-- walk takes all of them the ledger is damaged; then it is the order of ids all the same, and the
-- audit (chain-continuity) shows where it breaks.
--
-- The planner cannot know how many entries a user has, and nested loops over 100000 of them would
-- never end.
CREATE FUNCTION public.order_old_entries(p_user_id uuid) RETURNS bigint[]
LANGUAGE plpgsql STABLE SECURITY INVOKER
SET enable_nestloop = off
AS $function$
DECLARE
    v_by_id   bigint[];
    v_follows boolean;
    -- The steps, by the balance before them, then by id; steps with one balance before them are a
    -- group.
    v_ids     bigint[];
    v_onward  integer[];   -- of each step: the group that begins where it ends
    v_next    integer[];   -- of each group: the first of its steps that is not taken yet
    v_last    integer[];   -- of each group: its last step
    v_first   integer;     -- the group that begins at 0
    v_group   integer;
    v_step    integer;
    v_path    integer[] := '{}';
    v_length  integer := 0;
    v_left    integer;
    v_order   bigint[];
BEGIN
    SELECT array_agg(e.id ORDER BY e.id), bool_and(e.follows)
      INTO v_by_id, v_follows
      FROM (SELECT ct.id,
                   ct.balance_after - ct.amount
                       = lag(ct.balance_after, 1, 0) OVER (ORDER BY ct.id) AS follows
              FROM public.credit_transactions AS ct
             WHERE ct.user_id = p_user_id AND ct.entry_seq IS NULL) AS e;

    IF v_follows IS NOT FALSE THEN
        RETURN v_by_id;
    END IF;

    WITH steps AS MATERIALIZED (
        SELECT ct.id, ct.balance_after,
               ct.balance_after - ct.amount AS balance_before,
               row_number() OVER by_start AS step,
               dense_rank() OVER (ORDER BY ct.balance_after - ct.amount) AS step_group
          FROM public.credit_transactions AS ct
         WHERE ct.user_id = p_user_id AND ct.entry_seq IS NULL
        WINDOW by_start AS (ORDER BY ct.balance_after - ct.amount, ct.id)
    ), groups AS MATERIALIZED (
        SELECT s.step_group, s.balance_before, min(s.step) AS first_step, max(s.step) AS last_step
          FROM steps AS s
         GROUP BY s.step_group, s.balance_before
    )
    SELECT array_agg(s.id ORDER BY s.step),
           array_agg(g.step_group::integer ORDER BY s.step),
           (SELECT array_agg(h.first_step::integer ORDER BY h.step_group) FROM groups AS h),
           (SELECT array_agg(h.last_step::integer ORDER BY h.step_group) FROM groups AS h),
           (SELECT h.step_group::integer FROM groups AS h WHERE h.balance_before = 0)
      INTO v_ids, v_onward, v_next, v_last, v_first
      FROM steps AS s
      LEFT JOIN groups AS g ON g.balance_before = s.balance_after;

    v_left := cardinality(v_ids);
    v_order := array_fill(NULL::bigint, ARRAY[v_left]);
    v_group := v_first;
    LOOP
        IF v_group IS NOT NULL AND v_next[v_group] <= v_last[v_group] THEN
            v_step := v_next[v_group];
            v_next[v_group] := v_step + 1;
            v_length := v_length + 1;
            v_path[v_length] := v_step;
            v_group := v_onward[v_step];
        ELSE
            EXIT WHEN v_length = 0;
            v_order[v_left] := v_ids[v_path[v_length]];
            v_left := v_left - 1;
            v_length := v_length - 1;
            v_group := CASE WHEN v_length = 0 THEN v_first ELSE v_onward[v_path[v_length]] END;
        END IF;
    END LOOP;

    -- Steps that were not reached, or a place where two ends of the walk were joined, mean that
    -- there is no such walk.
    IF v_left = 0 THEN
        SELECT bool_and(e.follows)
          INTO v_follows
          FROM (SELECT ct.balance_after - ct.amount
                           = lag(ct.balance_after, 1, 0) OVER (ORDER BY o.place) AS follows
                  FROM unnest(v_order) WITH ORDINALITY AS o (id, place)
                  JOIN public.credit_transactions AS ct
                    ON ct.id = o.id AND ct.user_id = p_user_id) AS e;
        IF v_follows THEN
            RETURN v_order;
        END IF;
    END IF;

    RAISE WARNING USING
        MESSAGE = format('no order of the entries of user %s makes a chain', p_user_id),
        DETAIL = 'They are numbered in the order of their ids.',
        HINT = 'After the upgrade, creditdb verify chain-continuity shows where the chain breaks.';
    RETURN v_by_id;
END;
$function$;

COMMENT ON FUNCTION public.order_old_entries(uuid) IS
    'For the upgrade to 1.1.0: ids of a user''s entries without a number, in the order of the '
    'chain.';
