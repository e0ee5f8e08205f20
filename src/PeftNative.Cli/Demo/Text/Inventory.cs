using System.Text.Json.Nodes;

namespace PeftNative.Cli.Demo.Text;

/// <summary>Some things of one kind.</summary>
internal sealed record Item(int Count, string? Colour, Thing Thing)
{
    /// <summary>As one says it: three red apples; a pear.</summary>
    public string Phrase
    {
        get
        {
            var what = Colour is null ? Thing.Of(Count) : $"{Colour} {Thing.Of(Count)}";
            return Count == 1 ? $"{Words.Article(what)} {what}" : $"{Words.Numbers[Count]} {what}";
        }
    }
}

/// <summary>Who has what, and where: what the demo's task is to read out of a sentence.</summary>
internal sealed record Inventory(Person Who, string? Place, IReadOnlyList<Item> Items)
{
    /// <summary>The items in a row: three red apples, a pear and two cups.</summary>
    public string List => Items.Count == 1 ? Items[0].Phrase
        : $"{string.Join(", ", Items.SkipLast(1).Select(i => i.Phrase))} and {Items[^1].Phrase}";

    private bool IsOne => Items is [{ Count: 1 }];

    private string Be => IsOne ? "is" : "are";

    /// <summary>Makes one up.</summary>
    public static Inventory Draw(Dice dice, IReadOnlyList<Person> people)
    {
        var things = dice.Pick(Words.Things, dice.Pick([1, 2, 2, 2, 3]));
        var (who, place) = (dice.Pick(people), dice.Chance(0.6) ? dice.Pick(Words.Places) : null);
        return new Inventory(who, place, [.. things.Select(t => Draw(dice, t))]);
    }

    /// <summary>A sentence that says it.</summary>
    public string Sentence(Dice dice) => Place is null ? Placeless(dice) : Placed(dice);

    /// <summary>The same as a record for machines; every value stands in the sentence but for the digits.</summary>
    public string ToJson()
    {
        var record = new JsonObject { ["name"] = Who.Name };
        if (Place is not null) record["place"] = Place;
        record["items"] = new JsonArray([.. Items.Select(ToJson)]);
        return Spaced(record);
    }

    private string Placeless(Dice dice) => dice.Below(5) switch
    {
        0 => $"{Words.Capital(List)} {(IsOne ? "belongs" : "belong")} to {Who.Name}.",
        1 => $"{Who.Name} bought {List} today.",
        2 => $"{Who.Name} has lost {List}.",
        _ => $"{Who.Name} has {List}.",
    };

    private string Placed(Dice dice) => dice.Below(6) switch
    {
        0 => $"In the {Place}, {Who.Name} keeps {List}.",
        1 => $"There {(Items[0].Count == 1 ? "is" : "are")} {List} in {Who.Name}'s {Place}.",
        2 => $"{Who.Name} went to the {Place} and found {List}.",
        3 => $"{Words.Capital(List)} {Be} in the {Place}. {(IsOne ? "It belongs" : "They belong")} to {Who.Name}.",
        _ => $"{Who.Name} has {List} in the {Place}.",
    };

    private static Item Draw(Dice dice, Thing thing) =>
        new(dice.Chance(0.25) ? 1 : 2 + dice.Below(11), dice.Chance(0.75) ? dice.Pick(Words.Colours) : null, thing);

    private static JsonObject ToJson(Item item)
    {
        var json = new JsonObject { ["n"] = item.Count };
        if (item.Colour is not null) json["colour"] = item.Colour;
        json["what"] = item.Thing.Of(item.Count);
        return json;
    }

    // As people type JSON: a space after every colon and comma. No value holds one of either.
    private static string Spaced(JsonObject json) => json.ToJsonString()
        .Replace(":", ": ", StringComparison.Ordinal).Replace(",", ", ", StringComparison.Ordinal);
}
