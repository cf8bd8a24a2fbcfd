local hash = require("headgate.pickers.hash")

-- 16 bytes that look like chance, by a linear congruential generator: busted's Lua has no MD5.
local function digest(text)
    local state = 7
    for i = 1, #text do
        state = (state * 31 + text:byte(i)) % 2147483648
    end
    local bytes = {}
    for i = 1, 24 do
        state = (state * 1103515245 % 2147483648 + 12345) % 2147483648
        if i > 8 then
            bytes[#bytes + 1] = string.char(math.floor(state / 65536) % 256)
        end
    end
    return table.concat(bytes)
end

local function ring_of(count, weights)
    local names, equal = {}, {}
    for i = 1, count do
        names[i], equal[i] = "10.0.0." .. i .. ":80", 1
    end
    return hash.new(names, weights or equal, digest)
end

local function owners(ring, keys, tried)
    local found = {}
    for key = 1, keys do
        found[key] = hash.next(ring, digest("user-" .. key), tried)
    end
    return found
end

describe("consistent hashing", function()
    it("leads a value to one peer, and values to all of them", function()
        local ring = ring_of(5)
        local found, counts = owners(ring, 5000), { 0, 0, 0, 0, 0 }
        assert.same(found, owners(ring, 5000))
        for _, index in ipairs(found) do
            counts[index] = counts[index] + 1
        end
        for _, count in ipairs(counts) do
            assert.is_true(count > 500 and count < 1700, table.concat(counts, " "))
        end
    end)
    it("moves only what a peer had that goes", function()
        local before, after = owners(ring_of(5), 2000), owners(ring_of(4), 2000)
        for key, index in ipairs(before) do
            if index ~= 5 then
                assert.equal(index, after[key])
            end
        end
    end)
    it("gives weights their share", function()
        local found, heavy = owners(ring_of(2, { 3, 1 }), 4000), 0
        for _, index in ipairs(found) do
            heavy = heavy + (index == 1 and 1 or 0)
        end
        assert.is_true(heavy > 2500 and heavy < 3500, tostring(heavy))
    end)
    it("goes on to the same next peer, down to none", function()
        local ring = ring_of(3)
        local first = owners(ring, 1)[1]
        local second = owners(ring, 1, { [first] = true })[1]
        assert.not_equal(first, second)
        assert.equal(second, owners(ring, 1, { [first] = true })[1])
        assert.is_nil(owners(ring, 1, { true, true, true })[1])
        assert.is_nil(hash.next(hash.new({}, {}, digest), digest("x")))
    end)
    it("passes over a peer that has more than its bound, and takes it where all have", function()
        local ring = ring_of(3)
        local states = { { in_flight = 0 }, { in_flight = 0 }, { in_flight = 0 } }
        local load = { bound = 1.5, total = 0, states = states }
        local first = hash.next(ring, digest("a"), nil, load)
        states[first].in_flight, load.total = 5, 5
        assert.not_equal(first, hash.next(ring, digest("a"), nil, load))
        for _, state in ipairs(states) do
            state.in_flight = 9
        end
        assert.equal(first, hash.next(ring, digest("a"), nil, load))
    end)
    it("keeps the ring of many peers small", function()
        assert.is_true(#ring_of(10000).points <= 40000)
    end)
end)
