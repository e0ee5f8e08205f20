// Trains a LoRA adapter on records made in memory and saves it in PEFT's format.
//   dotnet run -- MODEL_FOLDER OUTPUT_FOLDER
using PeftNative;
using PeftNative.Backends;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using PeftNative.Models.Loading;
using PeftNative.Peft;
using PeftNative.Peft.Lora;
using PeftNative.Tokenizers;
using PeftNative.Training.Loop;

var (folder, output) = (args[0], args[1]);

using var backend = BackendFactory.Create();
var (model, _) = ModelLoader.Load(backend, folder);
using var owned = model;
using var adapter = new LoraConfig { R = 8, Alpha = 16 }.Create(model, seed: 42, trainable: true, "default");

// Any IEnumerable of records will do: from a file (RecordSource.Open), a database, a generator.
IEnumerable<DataRecord> records = Enumerable.Range(0, 32).Select(i => new PromptRecord(
    $"The code of box {i % 4} is", $" {7 * (i % 4)}.", new RecordOrigin("memory", i)));

var encoder = new ExampleEncoder(HfTokenizer.Load(folder),
    new EncodingOptions { Task = ModelTask.CausalLM, MaxLength = 64 });
var data = EncodedData.From(records, encoder);

using var trainer = new Trainer(model, adapter, data, eval: null,
    new TrainerOptions { MaxSteps = 20, BatchSize = 4, LearningRate = 2e-3 });
var first = trainer.Step()!.Loss;
var result = trainer.Run(new Progress<TrainEvent>());
AdapterFolder.Save(adapter, output);
Console.WriteLine($"loss {first:0.00} -> {result.Loss:0.00}; saved {Path.GetFileName(output)}");
