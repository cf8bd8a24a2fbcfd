local least_conn = require("headgate.pickers.least_conn")

local function read(of, index)
    return of[index]
end

describe("least connections", function()
    it("takes the peer with the fewest requests for its weight", function()
        assert.equal(2, least_conn.next({ 1, 1, 1 }, nil, 1, read, { 3, 1, 2 }))
        assert.equal(1, least_conn.next({ 5, 1, 1 }, nil, 3, read, { 3, 1, 2 }))
    end)

    it("begins where it is told, so that equals get equal shares", function()
        local shares = { 0, 0, 0 }
        for start = 1, 3 do
            local index = least_conn.next({ 1, 1, 1 }, nil, start, read, { 0, 0, 0 })
            shares[index] = shares[index] + 1
        end
        assert.same({ 1, 1, 1 }, shares)
    end)

    it("leaves out who is barred, and says so when everybody is", function()
        assert.equal(3, least_conn.next({ 1, 1, 1 }, { [2] = true }, 1, read, { 3, 1, 2 }))
        assert.is_nil(least_conn.next({ 1, 1 }, { true, true }, 1, read, { 0, 0 }))
        assert.is_nil(least_conn.next({}, nil, 1, read, {}))
    end)

    it("looks at some of many, and at those who are not barred", function()
        local weights, loads, barred = {}, {}, {}
        for i = 1, 1000 do
            weights[i], loads[i], barred[i] = 1, 1000 - i, i <= 500
        end
        assert.equal(32, least_conn.next(weights, nil, 1, read, loads))
        assert.equal(532, least_conn.next(weights, barred, 1, read, loads))
        assert.equal(1000, least_conn.next(weights, nil, 980, read, loads))
    end)
end)
