local cjson = require("cjson")
local documents = require("headgate.documents")

local function examples(name)
    local file = assert(io.open("test/lua/documents/" .. name .. ".json"))
    local list = cjson.decode(file:read("*a"))
    file:close()
    assert(#list > 0)
    return list
end

describe("documents", function()
    for _, example in ipairs(examples("good")) do
        it("takes " .. example.name, function()
            local ok, problem = documents.check_line(example.line, cjson.null)
            assert.is_nil(problem)
            assert.is_true(ok)
        end)
    end
    for _, name in ipairs({ "bad", "bad-beyond-schema" }) do
        for _, example in ipairs(examples(name)) do
            it("refuses " .. example.name .. " and names the field", function()
                local ok, problem = documents.check_line(example.line, cjson.null)
                assert.is_nil(ok)
                assert.matches("^%a[%w_%.%[%]/]*:", problem)
            end)
        end
    end
    it("refuses what is no object", function()
        for _, line in ipairs({ 7, "x", true }) do
            assert.is_nil(documents.check_line(line, cjson.null))
        end
    end)
end)
