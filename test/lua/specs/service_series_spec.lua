local series = require("headgate.metrics.service_series")

local function flushed()
    local added = {}
    series.flush(function(key, amount)
        added[key] = (added[key] or 0) + amount
    end, function(id)
        return id ~= "shop/deleted/80"
    end, true)
    return added
end

describe("the series of a backend", function()
    before_each(function()
        flushed()
        series.keep({})
    end)

    it("counts each request in one bucket of each histogram, by its upper bound", function()
        local of = series.of("shop/web/80")
        series.count(of, 0.005, 0.0049, 100, 2000)
        series.count(of, 0.006, 0.005, 10, 20)
        series.count(of, 11, 10, 1, 2)
        assert.same({
            ["service duration 1 shop/web/80"] = 1,
            ["service duration 2 shop/web/80"] = 1,
            ["service duration 12 shop/web/80"] = 1,
            ["service duration 0 shop/web/80"] = 11.011,
            ["service header 1 shop/web/80"] = 2,
            ["service header 11 shop/web/80"] = 1,
            ["service header 0 shop/web/80"] = 10.0099,
            ["service received 0 shop/web/80"] = 111,
            ["service sent 0 shop/web/80"] = 2022,
        }, flushed())
    end)

    it("leaves a request without an answer out of the time to the header", function()
        series.count(series.of("shop/web/80"), 1, nil, 1, 1)
        local added = flushed()
        assert.equal(1, added["service duration 8 shop/web/80"])
        for bucket = 1, 12 do
            assert.is_nil(added["service header " .. bucket .. " shop/web/80"])
        end
    end)

    it("writes only what came since the last time", function()
        series.count(series.of("shop/web/80"), 1, 1, 1, 1)
        flushed()
        assert.same({}, flushed())
        series.count(series.of("shop/web/80"), 1, 1, 1, 1)
        assert.equal(1, flushed()["service duration 8 shop/web/80"])
    end)

    it("writes each backend once in so many flushes, and not all in the same", function()
        local written = {}
        for number = 1, 40 do
            series.count(series.of("shop/web" .. number .. "/80"), 1, 1, 1, 1)
        end
        for round = 1, series.TURNS do
            local ids = 0
            series.flush(function(key)
                local name, _, id = series.read_key(key)
                if name == "sent" then
                    ids = ids + 1
                    assert.is_nil(written[id])
                    written[id] = round
                end
            end, function()
                return true
            end)
            assert.equal(40 / series.TURNS, ids)
        end
    end)

    it("drops what was counted of a backend that is gone", function()
        series.count(series.of("shop/deleted/80"), 1, 1, 1, 1)
        assert.same({}, flushed())
        assert.same({}, flushed())
    end)

    it("reads its keys back", function()
        local name, bucket, id = series.read_key("service duration 12 shop/web/80")
        assert.same({ "duration", 12, "shop/web/80" }, { name, bucket, id })
        assert.is_nil(series.read_key("seconds shop/web/web"))
        assert.is_nil(series.read_key("requests 2 service/x/1"))
    end)

    it("forgets backends that are gone, once what was counted is written", function()
        local gone = series.of("shop/gone/80")
        series.count(gone, 1, 1, 1, 1)
        series.keep({})
        assert.equal(gone, series.of("shop/gone/80"))
        flushed()
        series.keep({ ["shop/other/80"] = {} })
        assert.are_not.equal(gone, series.of("shop/gone/80"))
    end)
end)
