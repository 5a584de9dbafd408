"""The words that texts of a header may hold without anybody looking: those of examinations, devices and DICOM itself.

Guarantees: closed and readable; whatever is not in it waits for a person (rule `free-text`). So a name, a street or a
hospital is caught without being recognised as one. A dataset's manifest adds the words that its site uses.

Does not guarantee: that somebody is not called like one of these words (`Foot`, `Head`, `Long`): such a name passes
where a description is due. Words that are common surnames are left out where an examination can do without them.
"""

from __future__ import annotations

_EXAMINATION = """
    abd abdomen abdominal acquisition adult angio angiogram angiography ankle anterior aorta aortic apical arm
    arterial ax axial basal bed bedside bilateral body bone brain breast bronchus cap cardiac carotid carotids
    caudal cervical chest child cine clavicle clinic coll
    collection collimated comp complete cont contrast cor coronal
    coronary cranio cross cspine ctpa curved cxr delayed
    departmental diffusion dotarem dual dyn dynamic ecg echo elbow
    emergency enhanced epicardial erect expiration expiratory exposure extremity femur field fil film fine
    finger foot forearm frontal full functional gadovist gated gradient hand head heart helical high hip hrct
    humerus icu inspiration inspiratory isovue itu kidney knee kub large lat lateral left leg lesion liver
    localiser localizer long low lower lumbar lung lungs mammographic mammography marked
    medio mediastinum mobile mode motion mr mra mri nasal neck non
    none normal obli oblique obstetrical omnipaque omniscan operation pa paediatric panel
    parenchyma parts pelvis perfusion phase pilot plain planning portable portal post posterior pre projected
    prone protocol pulmonary radiograph recon reconstruction reduced renal repeat resolution rest rib ribs right
    routine sag sagittal sat scan scanogram scout seg semi sequence serial series sharp shoulder single sitting
    skull slab slice small smartscore smooth soft spine spiral standard standing sternum stomach stress study
    supine survey swallow thick thin thoracic thorax three tissue topogram transverse trauma treatment tube two
    ultrasound unenhanced unspecified upper urgent vein venous view views visipaque volume ward weighted whole
    window with without wo wrist xray
"""
_PLAIN = """
    all and any are attributes average behind between blank blanked both by clean cleaned code coded
    confidentiality data date dates deidentified de decimal derived dicom digital done empty example examples
    false fake for from full group header identification identified identity image images in is listed made make
    maker makebelieve mean method minimum maximum new no nobody not nothing number of off on only option options
    or original other others part per person profile pseudonym pseudonymised removed removal replaced retain
    retained safe set shifted site synthetic temporal test text that the this time to true type unknown up used
    value values version was were year years yes basic application level longitudinal modified characteristics
    patient device private uids descriptors pixel
"""
_TERMS = """
    adc ahf air aluminium aluminum amorphous anode approved apr asc automatic axis baseline beam bilinear binary
    bipolar blade bold bolus bone bowtie butterfly caf cassette cathode col color combined completed component
    composite compression cone constant continuous conventional copper cosine count created csa csaparallel cube
    cubic cycloid dcm decubitus degree descending detector direct display dose double dwi ellipse endian energy
    epi equal evolution explicit exponential factor fast fatsat ffdl ffdr ffe ffp ffs fid fiesta film filter
    filtered filters fixed flair flash flow fluence fluor fluoroscopy focal for format fov fractional frame
    frequency front fse grappa gre grid harmonic haste head hfdl hfdr hfp hfs high hilo hor hu hybrid identity
    imagepositionpatient implicit indirect integral integrated intensity interpolated inverse inversion iodine
    ion iso isotropic jpeg kilovolt kv landscape lateral lava lead lin linear little lnc localizer log
    logarithmic loh lossless lossy lut ma manual manufacturer matrix minip mip mixed mlo molybdenum mono
    monochrome monochrome1 monochrome2 monoenergetic monoplane mosaic mpr mprage multi multiframe name niobium
    none norm normal nps off optical orthogonal osp oversampled oxygen palette parallel pending perm pet phantom
    phase phosphor physical pixel planar plane plate point portrait predecessor prep presentation primary
    processing projection propeller pulse qcsuccess quality quantitative quantity ratio raw real rectangular
    referencedsegmentnumber reformatted rejected relative reprojection resamp resampled residual result rgb
    rhodium rigid rle rotating row rss rtdose rtplan sampled saturation scaled scanned scatter scinti
    scintillator screen sct secondary segmentation segmented selected selenium semiautomatic sense set sidecar
    sigmoid signal silicon silver slip slope smoothed snm source space spatial spectral spin spoiled square srt
    standalone started static stationary step stir storage storing strip subtraction sum survey swi syn syngo
    target temporary threshold thrive tilt time tof tomographic tomography tracking trigger triggered true trufi
    tse tungsten ucum unapproved uncompressed unidirectional uniform unity unused value variable vector venc
    vibe volumetric wedge wsd ybr ylinear
"""
_STANDARDS = "10918 13818 14495 14496 15444 23008"
"""Numbers of the standards that a lossy compression is named by, such as `ISO_10918_1`."""

_DEVICES = """
    achieva acp aera agfa alexion ambition applicat aquilion aristos artis aura aurora avanto axiom bellus
    biograph brilliance bucky canon capsula carestream co company compressor corp corporation dcm4che dcmtk def
    definition definium diagnost digitaldiagnost direct directview discovery drivers drx dx eclipse edge
    electric elition emotion eos espree essenta evolution explorer fcr fd force fuji fujifilm gdcm ge general
    gevaert gmbh go hdxt healthcare healthineers hitachi hologic ijg inc ingenia kgaa kodak konica lightning
    lightspeed lightspeedapps logiq ltd luminos lung lungs magnetom mec medcom medical minolta mira mobile
    mobilett mrt multix nmr offis operating optima perform perspective philips pioneer plus prime printers
    created creator kakadu openjpeg version
    pydicom regius revolution rhapsode scope select selenia senographe sensation shimadzu siemens signa skyra
    somatom symphony system systems toshiba trex trio ultra va vb verio via vision voyager ysio
"""
_SHORT = """
    mm cm ml kg ms hz khz mhz mgy dlp ctdi sec min max avg std ref aec mas kvp dap emr ses sos per and iso ocr
    attn decy manu nrgy scat emission transmission conversion dctool gdcmconv testing file microvolt millivolt
    milliseconds
    uid one ten six rad raw vol lut mov vis pos neg sub fov ecg tra cor sag obl ant inf sup lat med mid xcc mlo fre
"""

_ALL = (_EXAMINATION, _PLAIN, _TERMS, _STANDARDS, _DEVICES, _SHORT)
WORDS = frozenset(word for text in _ALL for word in text.split())
"""Every word, in small letters. Words of one or two letters need not be listed: they name nobody."""
