using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using PeftNative.Formats.Json;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace PeftNative.Cli.Options;

/// <summary>
/// Reads the plain part of YAML event by event, no deeper than JSON may nest (YamlDotNet's own nodes recurse without a
/// limit, and for ever where a key holds itself).
/// </summary>
internal sealed partial class YamlReader(string path)
{
    private int depth;

    /// <summary>The keys and values of a text.</summary>
    /// <exception cref="UsageException">It is not such YAML.</exception>
    public JsonObject Read(string text)
    {
        try
        {
            var events = new Parser(new StringReader(text));
            events.Consume<StreamStart>();
            if (events.Accept<StreamEnd>(out _)) return [];
            events.Consume<DocumentStart>();
            var root = Value(events);
            events.Consume<DocumentEnd>();
            if (events.TryConsume<DocumentStart>(out var second)) throw Refuse("more than one document", second);
            return root as JsonObject ?? throw new UsageException(
                "The configuration must be keys with values.", path, "Write lines such as 'model: my-model'.");
        }
        catch (YamlException e)
        {
            throw new UsageException($"The configuration is not valid YAML: {e.InnerException?.Message ?? e.Message}",
                $"{path}:{e.Start.Line}", "Correct the line; texts with special characters belong in quotes.", e);
        }
    }

    private JsonNode? Value(IParser events)
    {
        if (events.Accept<AnchorAlias>(out var alias)) throw Refuse("an alias", alias);
        var node = events.Consume<NodeEvent>();
        if (!node.Anchor.IsEmpty) throw Refuse("an anchor", node);
        if (!node.Tag.IsEmpty && !node.Tag.IsNonSpecific) throw Refuse("a tag", node);
        if (node is Scalar scalar) return Plain(scalar);
        if (++depth > StrictJson.MaxDepth)
            throw Refuse($"more than {StrictJson.MaxDepth} levels of lists and keys", node);
        JsonNode result = node is SequenceStart ? List(events) : Map(events);
        depth--;
        return result;
    }

    private JsonArray List(IParser events)
    {
        var result = new JsonArray();
        while (!events.TryConsume<SequenceEnd>(out _)) result.Add(Value(events));
        return result;
    }

    private JsonObject Map(IParser events)
    {
        var result = new JsonObject();
        while (!events.TryConsume<MappingEnd>(out _))
        {
            var at = events.Current!;
            if (at is not Scalar { Value: var key }) throw Refuse("a key that is no text", at);
            Value(events);
            if (result.ContainsKey(key)) throw new YamlException(at.Start, at.End, $"Duplicate key {key}");
            result[key] = Value(events);
        }
        return result;
    }

    private static JsonNode? Plain(Scalar scalar) => scalar.Value switch
    {
        var text when scalar.Style is not ScalarStyle.Plain => JsonValue.Create(text),
        "" or "~" or "null" => null,
        "true" => true,
        "false" => false,
        var text when WholeNumber().IsMatch(text)
            && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) => whole,
        var text when RealNumber().IsMatch(text) => double.Parse(text, CultureInfo.InvariantCulture),
        var text => text,
    };

    private UsageException Refuse(string what, ParsingEvent at) => new(
        $"The configuration uses {what}, which is not read.", $"{path}:{at.Start.Line}",
        "Write the value out plainly.");

    [GeneratedRegex(@"^[-+]?(0|[1-9][0-9]*)$")]
    private static partial Regex WholeNumber();

    [GeneratedRegex(@"^[-+]?(0|[1-9][0-9]*)?(\.[0-9]+)?([eE][-+]?[0-9]+)?(?<=[0-9])$")]
    private static partial Regex RealNumber();
}
