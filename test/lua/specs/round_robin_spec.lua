local round_robin = require("headgate.pickers.round_robin")

local function take(state, count)
    local found = {}
    for _ = 1, count do
        local index = round_robin.next(state)
        found[#found + 1] = index
    end
    return found
end

local function tally(found)
    local counts = {}
    for _, index in ipairs(found) do
        counts[index] = (counts[index] or 0) + 1
    end
    return counts
end

describe("round robin", function()
    it("takes equal peers in turn", function()
        assert.same({ 1, 2, 3, 1, 2, 3 }, take(round_robin.new({ 1, 1, 1 }, 0), 6))
    end)
    it("starts where it is told", function()
        assert.same({ 3, 1, 2 }, take(round_robin.new({ 1, 1, 1 }, 2), 3))
        assert.same({ 3, 1, 2 }, take(round_robin.new({ 5, 5, 5 }, 32), 3))
    end)
    it("spreads weights smoothly", function()
        -- nginx's own order for 5, 1, 1
        assert.same({ 1, 1, 2, 1, 3, 1, 1 }, take(round_robin.new({ 5, 1, 1 }, 0), 7))
    end)
    it("keeps the shares from any start", function()
        for start = 0, 20 do
            assert.same({ 7, 2, 1 }, tally(take(round_robin.new({ 7, 2, 1 }, start), 10)))
        end
    end)
    it("takes no peer that was tried, and none when all were", function()
        for _, weights in ipairs({ { 1, 1, 1 }, { 5, 2, 1 } }) do
            local state = round_robin.new(weights, 1)
            local tried = {}
            for _ = 1, 3 do
                local index = round_robin.next(state, tried)
                assert.is_nil(tried[index])
                tried[index] = true
            end
            assert.is_nil(round_robin.next(state, tried))
        end
    end)
    it("has no peer without peers", function()
        assert.is_nil(round_robin.next(round_robin.new({}, 7)))
    end)
end)
