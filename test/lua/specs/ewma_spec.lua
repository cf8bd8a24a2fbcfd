local ewma = require("headgate.pickers.ewma")

local function states(...)
    local made = {}
    for i, cost in ipairs({ ... }) do
        made[i] = { in_flight = 0, cost = cost, at = 0 }
    end
    return made
end

local function weights(count)
    local made = {}
    for i = 1, count do
        made[i] = 1
    end
    return made
end

-- Shares of `rounds` picks.
local function shares(of, rounds, tried, now)
    local counts = {}
    for i = 1, #of do
        counts[i] = 0
    end
    for _ = 1, rounds do
        local index = ewma.next(of, weights(#of), tried, now or 0, math.random)
        counts[index] = counts[index] + 1
    end
    return counts
end

describe("peak EWMA", function()
    before_each(function()
        math.randomseed(7)
    end)

    it("never takes the slower of two, and a slow one of many only by chance of two", function()
        assert.same({ 100, 0 }, shares(states(0.02, 0.2), 100))
        local of = states(0.02, 0.02, 0.02, 0.02, 0.2)
        assert.equal(0, shares(of, 1000)[5])
    end)
    it("spreads over equals", function()
        for _, count in ipairs(shares(states(0.02, 0.02, 0.02, 0.02), 4000)) do
            assert.is_true(math.abs(count - 1000) < 200, tostring(count))
        end
    end)
    it("counts what is in flight, and weights", function()
        local of = states(0.02, 0.02)
        of[1].in_flight = 1
        assert.equal(2, ewma.next(of, { 1, 1 }, nil, 0, math.random))
        assert.equal(1, ewma.next(of, { 3, 1 }, nil, 0, math.random))
    end)
    it("takes a late answer at once and an early one bit by bit", function()
        local state = { in_flight = 0, cost = 0.02, at = 0 }
        ewma.observe(state, 0.5, 1)
        assert.equal(0.5, state.cost)
        ewma.observe(state, 0.02, 2)
        assert.is_true(state.cost < 0.5 and state.cost > 0.4, tostring(state.cost))
        for second = 3, 60 do
            ewma.observe(state, 0.02, second)
        end
        assert.is_true(state.cost < 0.03, tostring(state.cost))
    end)
    it("tries a slow one again after a while, by one request at a time", function()
        local of = states(0.02, 1)
        of[1].at = 10
        assert.equal(1, ewma.next(of, { 1, 1 }, nil, 10, math.random))
        of[1].at = 60
        assert.equal(2, ewma.next(of, { 1, 1 }, nil, 60, math.random))
        of[2].in_flight = 1
        assert.equal(1, ewma.next(of, { 1, 1 }, nil, 60, math.random))
    end)
    it("leaves out what was tried, down to none", function()
        local of = states(0.02, 0.2, 0.3)
        assert.equal(2, ewma.next(of, weights(3), { [1] = true }, 0, math.random))
        assert.equal(3, ewma.next(of, weights(3), { [1] = true, [2] = true }, 0, math.random))
        assert.is_nil(ewma.next(of, weights(3), { true, true, true }, 0, math.random))
        assert.equal(1, ewma.next(states(1), { 1 }, nil, 0, math.random))
        assert.is_nil(ewma.next({}, {}, nil, 0, math.random))
    end)
end)
