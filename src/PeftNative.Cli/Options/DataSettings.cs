using PeftNative.Data.Batching;

namespace PeftNative.Cli.Options;

/// <summary>Settings of the verbs that read data.</summary>
internal static class DataSettings
{
    public static readonly Setting Data = new("data", SettingKind.Text,
        "jsonl, json, csv, tsv, conll, parquet, arrow or txt file, also as .gz or .zst, or a folder with train.* and "
            + "valid.*; several by several flags, with FILE:0.7 as shares of what is trained.")
    {
        ValueName = "FILE", Aliases = ["dataset", "data_path", "train_data"], Group = "What", IsRequired = true,
        IsRepeatable = true,
    };

    public static readonly Setting Split = new("split", SettingKind.Text,
        "The part of the data to take, such as train, validation or test, where a folder or file has several.")
    {
        ValueName = "NAME", Group = "Data",
    };

    public static readonly Setting Encoding = new("encoding", SettingKind.Text,
        "The character encoding of the data, such as latin1; by default UTF-8, or what the file's mark says.")
    {
        ValueName = "NAME", Group = "Data",
    };

    public static readonly Setting LabelColumns = new("label_columns", SettingKind.Names,
        "Columns that are a label each, with 0 or 1 for every record; several may apply.") { Group = "Data" };

    public static readonly Setting MaxBadRecords = new("max_bad_records", SettingKind.Number,
        "Records that may be unusable and left out: a share below 1, or a number. One always may, if most are good.")
    {
        Default = "0.05", Least = 0, Group = "Data",
    };

    public static readonly Setting EvalData = new("eval_data", SettingKind.Text, "Data to evaluate on.")
    {
        ValueName = "FILE", Aliases = ["eval_dataset", "validation_data"], Group = "What",
    };

    public static readonly Setting ValSize = new("val_size", SettingKind.Number,
        "Records held out to evaluate on: a share below 1, or a number.")
    {
        Least = 0, Group = "What",
    };

    public static readonly Setting Task = new("task", SettingKind.Text,
        "What is learned; by default what the records are made for.")
    {
        Aliases = ["task_type"], Choices = ["causal_lm", "seq_cls", "token_cls", "seq_2_seq_lm"], Group = "Data",
    };

    public static readonly Setting Shape = new("data_shape", SettingKind.Text,
        "The fields of the records; by default found from the first 100.")
    {
        Choices = ["text", "prompt_completion", "instruction", "messages", "text_label", "text_pair_label",
            "tokens_tags", "source_target", "preference", "unpaired_preference"],
        ValueName = "NAME", Group = "Data",
    };

    public static readonly Setting Columns = new("columns", SettingKind.Map,
        "Names in the file by field, such as prompt=question; also paths (completion=answers.text[0]), templates "
            + "(prompt=\"{context}\\n\\n{question}\"), and numbers where a csv file has no header (text=1,label=2).")
    {
        ValueName = "FIELD=NAME,...", Group = "Data",
    };

    public static readonly Setting ProblemType = new("problem_type", SettingKind.Text,
        "What labels mean; by default what they look like.")
    {
        Choices = ["single_label_classification", "multi_label_classification", "regression"], ValueName = "NAME",
        Group = "Data",
    };

    public static readonly Setting MaxLength = new("max_seq_length", SettingKind.Whole,
        "Most tokens of an example; longer ones are cut. Default 512, or what the model can.")
    {
        Aliases = ["max_length", "cutoff_len", "sequence_len", "block_size"], Least = 2, Most = 1 << 24, Group = "Data",
    };

    public static readonly Setting MaskPrompt = new("mask_prompt", SettingKind.Switch,
        "Learn answers only, not prompts.")
    {
        Default = "true", Group = "Data",
    };

    public static readonly Setting AssistantOnly = new("assistant_only_loss", SettingKind.Switch,
        "Learn of the assistant's turns only what the chat template marks with {% generation %}, where it does.")
    {
        Aliases = ["assistant_only"], Group = "Data",
    };

    public static readonly Setting TemplateArguments = new("chat_template_kwargs", SettingKind.Map,
        "Variables of the chat template, such as enable_thinking=false; a record's own come before them.")
    {
        ValueName = "JSON", Group = "Data",
    };

    public static readonly Setting TemplateDate = new("chat_template_date", SettingKind.Text,
        "The local date and time that chat templates see. Default now; a run that goes on keeps its date.")
    {
        ValueName = "DATE", Group = "Data",
    };

    public static readonly Setting AlternateTurns = new("alternate_turns", SettingKind.Switch,
        "Read a conversation that is a list of texts as turns of user and assistant, by turns.") { Group = "Data" };

    public static readonly Setting Packing = new("packing", SettingKind.Switch,
        "Put short texts together into rows of max_seq_length.") { Group = "Data" };

    public static readonly Setting PackingStrategy = new("packing_strategy", SettingKind.Text,
        "With --packing, rows as TRL packs them: bfd cuts longer texts off, bfd_split into pieces, wrapped joins all "
            + "texts. Default the best fit of whole texts.")
    {
        Choices = RowPacking.Names, Group = "Data",
    };

    public static readonly Setting Preparation = new("preparation", SettingKind.Text,
        "own learns each answer as the model will be asked for it; trl makes of records what TRL's SFTTrainer does.")
    {
        Default = "own", Choices = ["own", "trl"], Group = "Data",
    };

    public static readonly Setting SkipBadLines = new("skip_bad_lines", SettingKind.Switch,
        "Leave unusable records out, however many: max_bad_records without a limit.") { Group = "Data" };

    public static readonly Setting BatchSize = new("batch_size", SettingKind.Whole, "Examples computed together.")
    {
        Default = "8", Least = 1, Most = 1 << 20, Aliases = ["per_device_train_batch_size", "micro_batch_size"],
        Group = "Training",
    };

    /// <summary>How records are read.</summary>
    public static readonly Setting[] Reading =
    [
        Task, Shape, Columns, LabelColumns, ProblemType, Split, Encoding, MaxLength, MaskPrompt, AssistantOnly,
        TemplateArguments, TemplateDate, AlternateTurns, Preparation, MaxBadRecords, SkipBadLines,
    ];
}
