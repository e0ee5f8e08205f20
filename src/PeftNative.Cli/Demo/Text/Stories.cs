using System.Text;

namespace PeftNative.Cli.Demo.Text;

/// <summary>
/// Little stories in which what is said once matters again: who has what, how many, which colour, where.
/// </summary>
internal static class Stories
{
    /// <summary>Somebody has things; it is told again in other words, and asked about.</summary>
    public static string Possessions(Dice dice)
    {
        var inventory = Inventory.Draw(dice, Words.People);
        var text = new StringBuilder(inventory.Sentence(dice));
        if (dice.Chance(0.2)) text.Append(' ').Append(Remark(dice, inventory));
        for (var parts = 3 + dice.Below(3); parts > 0; parts--)
            text.Append(' ').Append(dice.Chance(0.5) ? Retell(dice, inventory) : Question(dice, inventory));
        return text.ToString();
    }

    /// <summary>Somebody loses something, looks for it and finds it.</summary>
    public static string Search(Dice dice)
    {
        var (who, friend) = Two(dice);
        var (thing, coloured) = Lone(dice, out var colour);
        var places = dice.Pick(Words.Places, 3);
        var text = new StringBuilder($"{who.Name} had {coloured}. One day the {thing.One} was gone. ");
        text.Append($"{Words.Capital(who.They)} looked in the {places[0]}, but there was no {thing.One}. ");
        if (dice.Chance(0.5))
            text.Append($"{Words.Capital(who.They)} looked in the {places[1]}, but it was not there. ");
        text.Append(dice.Chance(0.5)
            ? $"Then {friend.Name} came and said: I saw {coloured} in the {places[2]}. "
            : $"{friend.Name} asked: Did you look in the {places[2]}? ");
        text.Append($"So {who.Name} went to the {places[2]}, and there was the {colour} {thing.One}. ");
        return text.Append(Ending(dice, who, friend)).ToString();
    }

    /// <summary>One gives the other something; who has it now?</summary>
    public static string Gift(Dice dice)
    {
        var (giver, taker) = Two(dice);
        var (thing, _) = Lone(dice, out var colour);
        var (count, given) = (4 + dice.Below(7), 1 + dice.Below(3));
        var text = $"{giver.Name} has {Words.Numbers[count]} {colour} {thing.Many}. {Words.Capital(giver.They)} gives "
            + $"{Words.Numbers[given]} of them to {taker.Name}. Now {giver.Name} has {Words.Numbers[count - given]} "
            + $"{thing.Many} and {taker.Name} has {Words.Numbers[given]}. ";
        return text + dice.Below(3) switch
        {
            0 => $"Thank you, {giver.Name}, says {taker.Name}.",
            1 => $"How many has {taker.Name}? There {(given == 1 ? "is" : "are")} {given}.",
            _ => $"What colour are the {thing.Many}? They are {colour}.",
        };
    }

    /// <summary>A day of somebody's life.</summary>
    public static string Day(Dice dice)
    {
        var (who, friend) = Two(dice);
        var (place, animal) = (dice.Pick(Words.Places), dice.Pick(Words.Animals).One);
        var colour = dice.Pick(Words.Colours);
        var text = new StringBuilder($"{who.Name} lives in {dice.Pick(Words.Towns)}. ");
        text.Append($"{Words.Capital(who.They)} has {Words.Article(colour)} {colour} {animal}. ");
        text.Append(dice.Below(3) switch
        {
            0 => $"Every {dice.Pick(Words.Days)} {who.Name} plays with the {animal} in the {place}. ",
            1 => $"The {animal} sleeps in the {place}. ",
            _ => $"In the morning {who.They} feeds the {animal} in the {place}. ",
        });
        text.Append($"{Words.Capital(who.Their)} friend {friend.Name} likes the {animal} too. ");
        return text.Append(Ending(dice, who, friend)).ToString();
    }

    private static string Remark(Dice dice, Inventory inventory)
    {
        var (who, first) = (inventory.Who, inventory.Items[0]);
        return dice.Below(3) switch
        {
            0 => $"{who.Name} is happy.",
            1 => $"{Words.Capital(who.They)} likes the {first.Thing.Of(first.Count)} best.",
            _ => $"It is {dice.Pick(Words.Days)}.",
        };
    }

    private static string Retell(Dice dice, Inventory inventory)
    {
        var (who, friend) = (inventory.Who.Name, dice.Pick(Words.People).Name);
        return dice.Below(6) switch
        {
            0 => $"{friend} wrote it down: {inventory.List}.",
            1 => $"The list says: {inventory.Tally}.",
            2 => $"{friend} counts: {inventory.Tally}.",
            3 => $"All that ({inventory.Tally}) belongs to {who}.",
            4 => $"So {friend} said: {inventory.Sentence(dice)}",
            _ => $"What has {who}? {inventory.Sentence(dice)}",
        };
    }

    private static string Question(Dice dice, Inventory inventory)
    {
        var item = dice.Pick(inventory.Items);
        var (thing, who) = (item.Thing.Of(item.Count), inventory.Who.Name);
        return dice.Below(6) switch
        {
            0 when item.Colour is not null =>
                $"What colour {item.Be} the {thing}? {(item.Count == 1 ? "It is" : "They are")} {item.Colour}.",
            1 => $"Who has the {thing}? It is {who}.",
            5 => $"Whose {item.Be} the {thing}? {(item.Count == 1 ? "It belongs" : "They belong")} to {who}.",
            2 => inventory.Place is null ? $"Where is {who}? Nobody knows."
                : $"Where is {who}? In the {inventory.Place}.",
            3 => $"Where {item.Be} the {thing}? "
                + $"{(inventory.Place is null ? "Nobody knows" : $"In the {inventory.Place}")}.",
            _ => $"How many {item.Thing.Many} {item.Be} there? There {item.Be} {item.Count}.",
        };
    }

    private static string Ending(Dice dice, Person who, Person friend) => dice.Below(3) switch
    {
        0 => $"{who.Name} was happy.",
        1 => $"{who.Name} and {friend.Name} laughed.",
        _ => $"Then {who.Name} and {friend.Name} went home.",
    };

    private static (Person, Person) Two(Dice dice)
    {
        var two = dice.Pick(Words.People, 2);
        return (two[0], two[1]);
    }

    // A thing, and the same with its colour: a red apple.
    private static (Thing Thing, string Coloured) Lone(Dice dice, out string colour)
    {
        colour = dice.Pick(Words.Colours);
        var thing = dice.Pick(Words.Things);
        return (thing, $"{Words.Article(colour)} {colour} {thing.One}");
    }
}
