local outliers = require("headgate.health.outliers")

local function rules(change)
    local made = {
        enabled = true, failures = 3, error_percent = 50, window_s = 10, back_off_s = 10,
        back_off_s_max = 300, ejected_percent_max = 50, panic_percent = 50,
    }
    for name, value in pairs(change or {}) do
        made[name] = value
    end
    return made
end

describe("outliers", function()
    it("ejects after failures in a row, which an answer ends", function()
        local count = outliers.new(0)
        assert.is_false(outliers.failed(count, rules(), 0))
        assert.is_false(outliers.failed(count, rules(), 0))
        outliers.succeeded(count, rules(), 0)
        assert.is_false(outliers.failed(count, rules(), 0))
        assert.is_false(outliers.failed(count, rules(), 0))
        assert.is_true(outliers.failed(count, rules(), 0))
    end)

    it("ejects for its share of failures in a window, once there are enough requests", function()
        local function run(change, rounds)
            local count = outliers.new(0)
            for round = 1, rounds do
                if outliers.failed(count, rules(change), round * 0.1) then
                    return round
                end
                outliers.succeeded(count, rules(change), round * 0.1)
            end
        end
        -- The eleventh failure is the twenty-first request.
        assert.equal(11, run({}, 50))
        assert.is_nil(run({ error_percent = 60 }, 50))
        assert.is_nil(run({ error_percent = 0 }, 50))
        assert.is_nil(run({ window_s = 1 }, 50))
    end)

    it("has nothing to remember when a window was without failures", function()
        local count = outliers.new(0)
        outliers.failed(count, rules(), 1)
        assert.is_false(outliers.succeeded(count, rules(), 2))
        assert.is_true(outliers.succeeded(count, rules(), 11))
    end)

    it("is out longer each time, at most so long, and forgets with the time it is well", function()
        local record, few = nil, rules({ back_off_s_max = 35 })
        local seconds = {}
        for round = 1, 4 do
            record = outliers.ejected(record, few, round * 100, "reset", 3)
            seconds[round] = record.until_s - round * 100
        end
        assert.same({ 10, 20, 30, 35 }, seconds)
        assert.equal(100, record.since)
        local back = outliers.returned(record, 1000)
        assert.equal(4, outliers.times(back, rules(), 1009))
        assert.equal(2, outliers.times(back, rules(), 1020))
        assert.equal(0, outliers.times(back, rules(), 2000))
        assert.equal(4, outliers.times(back, rules(), 900)) -- a clock that went back
        local well = outliers.returned(record, 980)
        local again = outliers.ejected(well, rules(), 1000, "reset", 3)
        assert.equal(1030, again.until_s)
    end)

    it("leaves a share of peers, and one at least", function()
        local most = {}
        for count = 1, 10 do
            most[count] = 0
            while outliers.may_eject(most[count], count, rules()) do
                most[count] = most[count] + 1
            end
        end
        assert.same({ 0, 1, 1, 2, 2, 3, 3, 4, 4, 5 }, most)
        assert.is_true(outliers.may_eject(8, 10, rules({ ejected_percent_max = 100 })))
        assert.is_false(outliers.may_eject(9, 10, rules({ ejected_percent_max = 100 })))
        assert.is_true(outliers.may_eject(0, 5, rules({ ejected_percent_max = 1 })))
    end)

    it("panics beyond its share, and always where nobody is left", function()
        assert.is_false(outliers.panics(1, 2, rules()))
        assert.is_true(outliers.panics(2, 3, rules()))
        assert.is_true(outliers.panics(1, 1, rules({ panic_percent = 100 })))
        assert.is_false(outliers.panics(9, 10, rules({ panic_percent = 100 })))
    end)

    it("lets what can be sent again try first, and all a while later", function()
        local record = outliers.ejected(nil, rules(), 100, "reset", 3)
        assert.is_false(outliers.is_due(record, rules(), 109, true))
        assert.is_true(outliers.is_due(record, rules(), 110, true))
        assert.is_false(outliers.is_due(record, rules(), 114, false))
        assert.is_true(outliers.is_due(record, rules(), 115, false))
        -- The clock went back by an hour.
        assert.is_true(outliers.is_due(record, rules(), 100 - 3600, true))
    end)
end)
