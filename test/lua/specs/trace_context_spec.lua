local trace_context = require("headgate.trace_context")

local TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

local function of(version, trace, parent, flags)
    return version .. "-" .. trace .. "-" .. parent .. "-" .. flags
end

describe("a traceparent", function()
    it("is handed on where the standard has it so", function()
        for _, text in ipairs({
            of("00", TRACE, PARENT, "01"), of("00", TRACE, PARENT, "00"),
            of("00", TRACE, PARENT, "ff"),
            -- Of a later version what is known counts, and more may follow.
            of("01", TRACE, PARENT, "01"), of("cc", TRACE, PARENT, "01") .. "-what-it-will-be",
        }) do
            assert.is_true(trace_context.is_valid(text), text)
        end
    end)

    it("is refused where it has another form", function()
        for _, text in ipairs({
            "", "00", of("ff", TRACE, PARENT, "01"), of("0", TRACE, PARENT, "01"),
            of("00", ("0"):rep(32), PARENT, "01"), of("00", TRACE, ("0"):rep(16), "01"),
            of("00", TRACE:upper(), PARENT, "01"), of("00", TRACE:sub(2), PARENT, "01"),
            of("00", TRACE .. "0", PARENT, "01"), of("00", TRACE, PARENT:sub(2), "01"),
            of("00", TRACE, PARENT, "1"), of("00", TRACE, PARENT, "0x"),
            of("00", TRACE, PARENT, "01") .. "-more", of("00", TRACE, PARENT, "01") .. " ",
            of("01", TRACE, PARENT, "01") .. "more", of("0G", TRACE, PARENT, "01"),
            of("00", TRACE, PARENT, "01") .. ", " .. of("00", TRACE, PARENT, "01"),
            "00_" .. TRACE .. "-" .. PARENT .. "-01", "00-" .. TRACE .. "_" .. PARENT .. "-01",
        }) do
            assert.is_false(trace_context.is_valid(text), text)
        end
    end)

    it("that is made is valid, and another each time", function()
        local seen = {}
        local word = function()
            return ("%08x"):format(math.random(1, 2147483647))
        end
        for _ = 1, 1000 do
            local text = trace_context.new("0123456789abcdef", "01", word)
            assert.matches("^00%-0123456789abcdef%x+%-%x+%-01$", text)
            assert.is_true(trace_context.is_valid(text), text)
            assert.is_nil(seen[text])
            seen[text] = true
        end
    end)
end)
