namespace PeftNative.Cli.Demo.Text;

/// <summary>Some things of one kind.</summary>
internal sealed record Item(int Count, string? Colour, Thing Thing)
{
    private string Name => Colour is null ? Thing.Of(Count) : $"{Colour} {Thing.Of(Count)}";

    /// <summary>With digits: 3 red apples.</summary>
    public string Tally => $"{Count} {Name}";

    /// <summary>As one says it: three red apples; a pear.</summary>
    public string Phrase => $"{(Count == 1 ? Words.Article(Name) : Words.Numbers[Count])} {Name}";

    /// <summary>Its verb: is, are.</summary>
    public string Be => Count == 1 ? "is" : "are";
}

/// <summary>Who has what, and where: what the demo's task is to read out of a sentence.</summary>
internal sealed record Inventory(Person Who, string? Place, IReadOnlyList<Item> Items)
{
    /// <summary>The items in a row: three red apples, a pear and two cups.</summary>
    public string List => Items.Count == 1 ? Items[0].Phrase
        : $"{string.Join(", ", Items.SkipLast(1).Select(i => i.Phrase))} and {Items[^1].Phrase}";

    /// <summary>The same with digits: 3 red apples, 1 pear, 2 cups.</summary>
    public string Tally => string.Join(", ", Items.Select(i => i.Tally));

    /// <summary>
    /// The same as a record for programs, in YAML: {name: Mia, place: kitchen, items: [3 red apples, 1 pear]}. Every
    /// value stands in the sentence, but for the digits.
    /// </summary>
    public string Record => $"{{name: {Who.Name}, {(Place is null ? "" : $"place: {Place}, ")}items: [{Tally}]}}";

    /// <summary>Makes one up.</summary>
    public static Inventory Draw(Dice dice, IReadOnlyList<Person> people)
    {
        var things = dice.Pick(Words.Things, dice.Pick([1, 2, 2, 3]));
        var (who, place) = (dice.Pick(people), dice.Chance(0.6) ? dice.Pick(Words.Places) : null);
        return new Inventory(who, place, [.. things.Select(t => Draw(dice, t))]);
    }

    /// <summary>A sentence that says it.</summary>
    public string Sentence(Dice dice) => Place is null ? Placeless(dice) : Placed(dice);

    private string Placeless(Dice dice) => dice.Below(4) switch
    {
        0 => $"{Who.Name} bought {List} today.",
        1 => $"{Who.Name} has lost {List}.",
        _ => $"{Who.Name} has {List}.",
    };

    private string Placed(Dice dice) => dice.Below(5) switch
    {
        0 => $"In the {Place}, {Who.Name} keeps {List}.",
        1 => $"There {Items[0].Be} {List} in {Who.Name}'s {Place}.",
        2 => $"{Who.Name} went to the {Place} and found {List}.",
        _ => $"{Who.Name} has {List} in the {Place}.",
    };

    private static Item Draw(Dice dice, Thing thing) =>
        new(dice.Chance(0.25) ? 1 : Words.Several(dice), dice.Chance(0.75) ? dice.Pick(Words.Colours) : null, thing);
}
