namespace PeftNative.Cli.Demo.Text;

/// <summary>Something to be made of a sentence about who has what, and where.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Answer">What is to follow.</param>
internal sealed record DemoTask(string Name, Func<Inventory, string> Answer)
{
    /// <summary>All of it as a record for programs: the task that every method learns.</summary>
    public static readonly DemoTask Records = new("records", i => i.Record);

    /// <summary>The things alone, with digits: 3 apples, 1 pear.</summary>
    public static readonly DemoTask Counts = new("counts",
        i => string.Join(", ", i.Items.Select(item => $"{item.Count} {item.Thing.Of(item.Count)}")));

    /// <summary>Where somebody is, in words.</summary>
    public static readonly DemoTask Places = new("places", i => i.Place is null
        ? $"Where is {i.Who.Name}? Nobody knows." : $"{i.Who.Name} is in the {i.Place}.");

    /// <summary>All tasks, that of the methods first.</summary>
    public static readonly DemoTask[] All = [Records, Counts, Places];
}
