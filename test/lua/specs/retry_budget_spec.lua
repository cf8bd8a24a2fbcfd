local retry_budget = require("headgate.health.retry_budget")

-- Runs requests of which each wants a retry; gives how many retries each request got.
local function run(id, rate, seconds, from)
    local budget = retry_budget.of(id)
    local retries = 0
    for i = 1, rate * seconds do
        local now = from + i / rate
        budget.asked = budget.asked + 1
        if not (budget.spent and retry_budget.is_spent(budget, now))
            and retry_budget.take(budget, now)
        then
            retries = retries + 1
        end
    end
    return retries
end

describe("the retry budget", function()
    before_each(function()
        retry_budget.configure({ percent = 20, min_per_s = 10 }, 2)
    end)

    it("allows its share and the few of each second", function()
        run("many", 1000, 20, 0)
        local retries = run("many", 1000, 20, 20)
        -- 20 % of 1000, and half of 10 for one of two workers, each second.
        assert.is_true(math.abs(retries - 20 * 205) < 0.02 * 20 * 205, retries)
    end)

    it("allows a backend with few requests all of them", function()
        assert.equal(60, run("few", 3, 20, 0))
    end)

    it("leaves each of many workers one a second", function()
        retry_budget.configure({ percent = 0, min_per_s = 10 }, 64)
        -- Ten, and what fades of them in five seconds.
        assert.equal(12, run("worker", 3, 5, 0))
        retry_budget.configure({ percent = 0, min_per_s = 0 }, 64)
        assert.equal(0, run("none", 3, 5, 0))
    end)

    it("does not save up for long", function()
        local budget = retry_budget.of("saved")
        retry_budget.take(budget, 0)
        -- An hour of 1,000 requests a second without a retry.
        budget.asked = 3600 * 1000
        local retries = 0
        while retry_budget.take(budget, 3600) do
            retries = retries + 1
        end
        assert.is_true(retries > 1900 and retries < 2200, retries)
    end)

    it("is open again when the requests of the failure have faded", function()
        run("again", 1000, 20, 0)
        local budget = retry_budget.of("again")
        assert.is_true(budget.spent)
        budget.asked = 10000
        assert.is_false(retry_budget.is_spent(budget, 40))
    end)

    it("has no limit where there are no rules", function()
        retry_budget.configure(nil, 2)
        assert.equal(1000, run("free", 1000, 1, 0))
    end)
end)
